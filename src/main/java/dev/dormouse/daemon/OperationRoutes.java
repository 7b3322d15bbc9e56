package dev.dormouse.daemon;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The resources under `/v1/operations`.
final class OperationRoutes {
    private final Operations operations;

    OperationRoutes(Operations operations) {
        this.operations = operations;
    }

    void add(RoutesConfig routes) {
        routes.get("/v1/operations", this::list, Access.VIEWER);
        routes.get("/v1/operations/{id}", this::show, Access.VIEWER);
        routes.get("/v1/operations/{id}/trace", this::trace, Access.VIEWER);
        routes.delete("/v1/operations/{id}", this::cancel, Access.OPERATOR);
    }

    private void list(Context request) throws IOException {
        Requests.allowQuery(request, "limit", "after", "vm");
        int limit = Requests.limit(request);
        String vm = request.queryParam("vm");
        String after = request.queryParam("after");
        List<Operation> seen = operations.newestFirst().stream()
                .filter(operation -> Caller.of(request).sees(operation.vm()))
                .toList();
        List<OperationView> found = seen.subList(begin(seen, after), seen.size()).stream()
                .filter(operation -> vm == null || operation.vm().equals(vm))
                .limit(limit + 1L)
                .map(Operation::view)
                .toList();
        boolean more = found.size() > limit;
        Requests.answer(
                request,
                200,
                new OperationView.Page(
                        more ? found.subList(0, limit) : found,
                        more ? found.get(limit - 1).id() : null));
    }

    /// {@return the index behind that of the operation that the client had last}
    private static int begin(List<Operation> seen, @Nullable String after) throws ApiException {
        if (after == null) {
            return 0;
        }
        for (int i = 0; i < seen.size(); i++) {
            if (seen.get(i).id().equals(after)) {
                return i + 1;
            }
        }
        throw new ApiException(
                Problem.Kind.INVALID,
                "query: 'after' is '%s', no such operation; those of an earlier daemon, and the oldest, are forgotten"
                        .formatted(after));
    }

    private void show(Context request) throws IOException {
        Requests.allowQuery(request);
        Requests.answer(request, 200, find(request).view());
    }

    private void trace(Context request) throws IOException {
        Requests.allowQuery(request);
        Requests.answer(request, 200, find(request).trace());
    }

    /// Answers at once: what is cancelled ends where it can be undone.
    private void cancel(Context request) throws IOException {
        Requests.allowQuery(request);
        Operation operation = find(request);
        operation.cancel();
        Requests.answer(request, operation.isEnded() ? 200 : 202, operation.view());
    }

    private Operation find(Context request) throws ApiException {
        String id = request.pathParam("id");
        return operations
                .find(id)
                .filter(operation -> Caller.of(request).sees(operation.vm()))
                .orElseThrow(() -> new ApiException(
                        Problem.Kind.NOT_FOUND,
                        "operation %s: no such operation, those of an earlier daemon are forgotten".formatted(id)));
    }
}
