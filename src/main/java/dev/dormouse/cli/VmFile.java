package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;

/// The YAML file of `vm create`: its keys are the components of [VmRequest].
final class VmFile {
    private static final long BYTES_MAX = 1 << 20;
    private static final int BRACKET_DEPTH_MAX = 100; // A description of a VM has three levels.
    private static final Set<String> PATHS =
            Set.of("path", "golden", "kernel", "initrd", "uefiCode", "uefiVariables", "imageKey");

    private final Path file;

    private VmFile(Path file) {
        this.file = file;
    }

    /// {@return what the file says, checked against the components of [VmRequest]}
    ///
    /// @throws IllegalArgumentException that names the file and the key, if it says something else
    static Map<String, Object> read(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new IllegalArgumentException(file + ": is a folder, the path of a YAML file is allowed");
        }
        if (Files.size(file) > BYTES_MAX) {
            throw new IllegalArgumentException("%s: has %d bytes, a description of a VM has at most %d"
                    .formatted(file, Files.size(file), BYTES_MAX));
        }
        return parse(file, Files.readString(file));
    }

    /// As [#read], of a text that comes from the file.
    static Map<String, Object> parse(Path file, String text) {
        if (bracketDepth(text) > BRACKET_DEPTH_MAX) {
            throw tooDeep(file, null);
        }
        Object tree;
        try {
            tree = new Load(LoadSettings.builder().setLabel(file.toString()).build()).loadFromString(text);
        } catch (MarkedYamlEngineException e) {
            String line = e.getProblemMark()
                    .map(mark -> "line " + (mark.getLine() + 1))
                    .orElse("some line");
            throw new IllegalArgumentException("%s: no YAML, %s: %s".formatted(file, line, e.getProblem()), e);
        } catch (StackOverflowError e) { // The parser recurses, and has no bound of its own.
            throw tooDeep(file, e);
        } catch (RuntimeException e) { // Also what the parser does not foresee, such as an escape without digits.
            throw new IllegalArgumentException("%s: no YAML: %s".formatted(file, e.getMessage()), e);
        }
        return new VmFile(file).object("", VmRequest.class, tree);
    }

    /// {@return the most brackets that are open at one time}. Those in texts count: what matters is that no input
    /// costs the parser more than its length; for each bracket it looks through all that are open.
    private static int bracketDepth(String text) {
        int depth = 0;
        int deepest = 0;
        for (int i = 0; i < text.length(); i++) {
            switch (text.charAt(i)) {
                case '{', '[' -> deepest = Math.max(deepest, ++depth);
                case '}', ']' -> depth = Math.max(0, depth - 1);
                default -> {}
            }
        }
        return deepest;
    }

    private static IllegalArgumentException tooDeep(Path file, @Nullable Throwable cause) {
        return new IllegalArgumentException(file + ": no YAML of a VM: nested too deeply", cause);
    }

    /// {@return the request that consists of these values}
    static VmRequest request(Map<String, Object> values) {
        return Json.parse(VmRequest.class, Json.write(values));
    }

    private Map<String, Object> object(String where, Class<?> type, @Nullable Object tree) {
        if (!(tree instanceof Map<?, ?> map)) {
            throw wrong(where, tree, "keys with values are");
        }
        Map<String, Type> components = Arrays.stream(type.getRecordComponents())
                .collect(Collectors.toMap(
                        RecordComponent::getName, RecordComponent::getGenericType, (a, _) -> a, LinkedHashMap::new));
        var result = new LinkedHashMap<String, Object>();
        for (var entry : map.entrySet()) {
            if (!(entry.getKey() instanceof String key)) { // Another one may be nested as deeply as the file is long.
                throw new IllegalArgumentException("%s: a key%s is no text, allowed are %s"
                        .formatted(
                                file,
                                where.isEmpty() ? "" : " below '" + where + "'",
                                String.join(", ", components.keySet())));
            }
            Type component = components.get(key);
            if (component == null) {
                throw new IllegalArgumentException("%s: unknown key '%s', allowed are %s"
                        .formatted(file, where + key, String.join(", ", components.keySet())));
            }
            if (entry.getValue() != null) {
                Object value = value(where + key, component, entry.getValue());
                result.put(key, PATHS.contains(key) ? resolve(value.toString()) : value);
            }
        }
        return result;
    }

    private Object value(String where, Type type, Object tree) {
        if (type == String.class) {
            if (tree instanceof Map || tree instanceof List) {
                throw wrong(where, tree, "a text is");
            }
            return tree.toString();
        }
        if (type == Integer.class) {
            return tree instanceof Integer ? tree : refuse(where, tree, "a whole number is");
        }
        if (type == Boolean.class) {
            return tree instanceof Boolean ? tree : refuse(where, tree, "true or false is");
        }
        return list(where, ((ParameterizedType) type).getActualTypeArguments()[0], tree);
    }

    private List<Object> list(String where, Type element, Object tree) {
        if (!(tree instanceof List<?> list)) {
            throw wrong(where, tree, "a list is");
        }
        var result = new ArrayList<Object>();
        for (int i = 0; i < list.size(); i++) {
            String place = "%s[%d]".formatted(where, i);
            if (list.get(i) == null) {
                throw wrong(place, null, "a value is");
            }
            result.add(
                    element instanceof Class<?> type && type.isRecord()
                            ? object(place + ".", type, list.get(i))
                            : value(place, element, list.get(i)));
        }
        return result;
    }

    /// Paths are meant from the folder of the file, so that it can be used from anywhere.
    private String resolve(String path) {
        return file.toAbsolutePath().resolveSibling(path).normalize().toString();
    }

    private Object refuse(String where, Object tree, String allowed) {
        throw wrong(where, tree, allowed);
    }

    private IllegalArgumentException wrong(String where, @Nullable Object tree, String allowed) {
        String key = where.endsWith(".") ? where.substring(0, where.length() - 1) : where;
        // A list may hold itself, so the content of one is not printed.
        String found = switch (tree) {
            case null -> "empty";
            case Map<?, ?> _ -> "a map";
            case Collection<?> _ -> "a list";
            default -> "'" + tree + "'";
        };
        return new IllegalArgumentException("%s: %s is %s, %s allowed"
                .formatted(file, key.isEmpty() ? "the file" : "key '" + key + "'", found, allowed));
    }
}
