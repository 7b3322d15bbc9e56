package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.dormouse.base.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;

/// The OpenAPI document, against which answers are checked; it counts which of what it promises was seen.
final class ApiDocument {
    private static final Set<String> METHODS = Set.of("get", "put", "post", "delete", "patch");
    private final Map<String, Object> root;
    private final SchemaRegistry registry = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);
    private final Set<String> seen = new LinkedHashSet<>();

    ApiDocument(String yaml) {
        root = map(new Load(LoadSettings.builder().build()).loadFromString(yaml));
    }

    /// {@return method and path of each operation, as in `GET /v1/vms`}
    List<String> operations() {
        var operations = new ArrayList<String>();
        map(root.get("paths"))
                .forEach((path, item) -> map(item).keySet().stream()
                        .filter(METHODS::contains)
                        .forEach(method -> operations.add(method.toUpperCase(Locale.ROOT) + " " + path)));
        return operations;
    }

    /// {@return each answer that is promised and that no [#check] has seen, as in `GET /v1/vms 200`}
    List<String> unseen() {
        var unseen = new ArrayList<String>();
        for (String operation : operations()) {
            for (String status : responses(operation).keySet()) {
                if (!seen.contains(operation + " " + status)) {
                    unseen.add(operation + " " + status);
                }
            }
        }
        return unseen;
    }

    /// {@return the document of this build}
    static ApiDocument ofThisBuild() {
        try (var in = ApiDocument.class.getResourceAsStream("openapi.yaml")) {
            return new ApiDocument(new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String operation(String method, String pathAndQuery) {
        String request = method + " " + pathAndQuery.replaceFirst("\\?.*", "");
        return operations().stream()
                .filter(known -> request.matches(known.replace(".", "\\.").replaceAll("\\{[a-z]+}", "[^/]+")))
                .findFirst()
                .orElseThrow(() -> new AssertionError(request + " is not in the document"));
    }

    /// Fails unless the document permits this body, which the daemon has taken.
    void checkBody(String method, String pathAndQuery, String body) {
        String operation = operation(method, pathAndQuery);
        Object described = item(operation).get("requestBody");
        assertThat(described).as("%s has a body", operation).isNotNull();
        Map<String, Object> content = map(map(resolve(described)).get("content"));
        checkSchema(operation, map(content.get("application/json")), body);
    }

    /// Fails unless the document has this answer to the request.
    void check(String method, String pathAndQuery, DaemonClient.Answer answer) {
        String operation = operation(method, pathAndQuery);
        Map<String, Object> responses = responses(operation);
        String status = Integer.toString(answer.status());
        String key = responses.containsKey(status) ? status : "default";
        assertThat(key.equals("default") && answer.status() < 400)
                .as("%s answers %s, which is not in the document", operation, status)
                .isFalse();
        seen.add(operation + " " + key);
        checkContent(operation + " " + status, map(resolve(responses.get(key))), answer);
    }

    private void checkContent(String what, Map<String, Object> response, DaemonClient.Answer answer) {
        if (!response.containsKey("content")) {
            assertThat(answer.body()).as(what).isEmpty();
            return;
        }
        var content = map(response.get("content")).entrySet().iterator().next();
        assertThat(answer.headers().get("content-type")).as(what).startsWith(content.getKey());
        if (content.getKey().endsWith("json")) {
            checkSchema(what, map(content.getValue()), answer.body());
        }
        if (response.containsKey("headers")) {
            map(response.get("headers"))
                    .keySet()
                    .forEach(name -> assertThat(answer.headers()).as(what).containsKey(name.toLowerCase(Locale.ROOT)));
        }
    }

    private void checkSchema(String what, Map<String, Object> content, String json) {
        var schema = new LinkedHashMap<>(map(content.get("schema")));
        schema.put("components", root.get("components"));
        var errors = registry.getSchema(Json.write(schema), InputFormat.JSON).validate(json, InputFormat.JSON);
        assertThat(errors).as("%s: %s", what, json).isEmpty();
    }

    private Map<String, Object> responses(String operation) {
        return map(item(operation).get("responses"));
    }

    private Map<String, Object> item(String operation) {
        String[] words = operation.split(" ");
        return map(map(map(root.get("paths")).get(words[1])).get(words[0].toLowerCase(Locale.ROOT)));
    }

    private Object resolve(Object value) {
        Object reference = map(value).get("$ref");
        if (reference == null) {
            return value;
        }
        Object found = root;
        for (String part : reference.toString().substring(2).split("/")) {
            found = map(found).get(part);
        }
        return found;
    }

    @SuppressWarnings("unchecked") // The document has text as keys.
    private static Map<String, Object> map(Object value) {
        return (Map<String, Object>) value;
    }
}
