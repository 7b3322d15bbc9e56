package dev.dormouse.daemon;

import dev.dormouse.catalog.HistoryItem;
import dev.dormouse.catalog.HostSample;
import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.Engine;
import io.avaje.jsonb.Json;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// What was: of a VM, also of one that was removed, and of the host. The newest comes first.
final class HistoryRoutes {
    private final Engine engine;
    private final History history;

    HistoryRoutes(Engine engine, History history) {
        this.engine = engine;
        this.history = history;
    }

    @Json
    record ItemPage(List<HistoryItem> items, @Nullable String next) {}

    @Json
    record VisitPage(List<Visit> items, @Nullable String next) {}

    @Json
    record SamplePage(List<HostSample> items, @Nullable String next) {}

    void add(RoutesConfig routes) {
        routes.get("/v1/vms/{name}/history", this::ofVm, Access.VIEWER);
        routes.get("/v1/vms/{name}/clients", this::clients, Access.VIEWER);
        routes.get("/v1/host/history", this::ofHost, Access.HOST_VIEWER);
    }

    private void ofVm(Context request) throws IOException {
        Requests.allowQuery(request, "limit", "after");
        String vm = knownVm(request);
        int limit = Requests.limit(request);
        long before = beforeId(request);
        List<HistoryItem> found = history.ask(catalog -> catalog.history(vm, before, limit + 1));
        Requests.answer(
                request, 200, new ItemPage(some(found, limit), next(found, limit, item -> Long.toString(item.id()))));
    }

    private void clients(Context request) throws IOException {
        Requests.allowQuery(request, "limit", "after");
        String vm = knownVm(request);
        int limit = Requests.limit(request);
        long before = beforeId(request);
        List<Visit> found = history.ask(catalog -> catalog.visits(vm, before, limit + 1));
        Requests.answer(
                request,
                200,
                new VisitPage(some(found, limit), next(found, limit, visit -> Long.toString(visit.id()))));
    }

    private void ofHost(Context request) throws IOException {
        Requests.allowQuery(request, "limit", "after");
        int limit = Requests.limit(request);
        String before = beforeTime(request);
        List<HostSample> found = history.ask(catalog -> catalog.samples(before, limit + 1));
        Requests.answer(request, 200, new SamplePage(some(found, limit), next(found, limit, HostSample::time)));
    }

    private static <T> List<T> some(List<T> found, int limit) {
        return found.subList(0, Math.min(limit, found.size()));
    }

    private static <T> @Nullable String next(List<T> found, int limit, Function<T, String> key) {
        return found.size() > limit ? key.apply(found.get(limit - 1)) : null;
    }

    /// @throws dev.dormouse.engine.NotFoundException if there is no such VM, and none is known to have been
    private String knownVm(Context request) throws IOException {
        String vm = request.pathParam("name");
        if (!engine.names().contains(vm)
                && history.ask(catalog -> catalog.lastSeenVm(vm)).isEmpty()) {
            engine.status(vm); // Says what is wrong with it.
        }
        return vm;
    }

    private static long beforeId(Context request) throws ApiException {
        String after = request.queryParam("after");
        try {
            return after == null ? Long.MAX_VALUE : Long.parseLong(after);
        } catch (NumberFormatException _) {
            throw notANext(after);
        }
    }

    private static @Nullable String beforeTime(Context request) throws ApiException {
        String after = request.queryParam("after");
        try {
            return after == null ? null : Instant.parse(after).toString();
        } catch (DateTimeParseException _) {
            throw notANext(after);
        }
    }

    private static ApiException notANext(String after) {
        return new ApiException(
                Problem.Kind.INVALID, "query: 'after' is '%s', not the 'next' of a page".formatted(after));
    }
}
