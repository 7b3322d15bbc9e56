package dev.dormouse.daemon;

import dev.dormouse.engine.Engine;
import io.avaje.jsonb.Json;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What the API tells about the daemon and itself.
final class HostRoutes {
    private static final String DOCUMENT = "openapi.yaml";

    private final Engine engine;
    private final boolean yields;
    private final String started = Operation.now();

    /// @param yields whether this daemon makes room for another one
    HostRoutes(Engine engine, boolean yields) {
        this.engine = engine;
        this.yields = yields;
    }

    /// @param version of Dormouse, null where it does not run from its jar
    /// @param started ISO 8601
    /// @param yields whether it ends as soon as another daemon wants its home
    /// @param vms how many the caller sees
    /// @param role what the caller may do
    /// @param tokenVms patterns of the VMs that the caller's token is for; null for all, and for the host
    /// @param use of all VMs; null for who sees only some
    @Json
    record HostView(
            @Nullable String version,
            String home,
            long pid,
            String started,
            boolean yields,
            int vms,
            String role,
            @Nullable List<String> tokenVms,
            @Nullable HostUse use) {}

    void add(RoutesConfig routes) {
        routes.get("/v1/host", this::show, Access.VIEWER);
        routes.get("/v1/openapi.yaml", HostRoutes::document, Access.VIEWER);
    }

    private void show(Context request) throws IOException {
        Requests.allowQuery(request);
        Caller caller = Caller.of(request);
        var host = new HostView(
                HostRoutes.class.getPackage().getImplementationVersion(),
                engine.home().root().toString(),
                ProcessHandle.current().pid(),
                started,
                yields,
                (int) engine.names().stream().filter(caller::sees).count(),
                caller.role().word(),
                caller.vms(),
                caller.seesAll() ? HostUse.of(engine) : null);
        Requests.answer(request, 200, host);
    }

    private static void document(Context request) throws IOException {
        Requests.allowQuery(request);
        try (InputStream document = HostRoutes.class.getResourceAsStream(DOCUMENT)) {
            request.contentType("application/yaml")
                    .result(Objects.requireNonNull(document, DOCUMENT).readAllBytes());
        }
    }
}
