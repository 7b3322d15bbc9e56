package dev.dormouse.daemon;

import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.util.Optional;

/// The resources under `/v1/operations`.
final class OperationRoutes {
    private final Operations operations;
    private final Vms vms;
    private final PastOperations past;
    private final OperationPages pages;

    OperationRoutes(Operations operations, Vms vms, History history) {
        this.operations = operations;
        this.vms = vms;
        past = new PastOperations(history);
        pages = new OperationPages(operations, past);
    }

    void add(RoutesConfig routes) {
        routes.get("/v1/operations", this::list, Access.VIEWER);
        routes.get("/v1/operations/{id}", this::show, Access.VIEWER);
        routes.get("/v1/operations/{id}/trace", this::trace, Access.VIEWER);
        routes.delete("/v1/operations/{id}", this::cancel, Access.OPERATOR);
    }

    private void list(Context request) throws IOException {
        Requests.allowQuery(request, "limit", "after", "vm");
        OperationView.Page page = pages.page(
                Caller.of(request), request.queryParam("vm"), request.queryParam("after"), Requests.limit(request));
        Requests.answer(request, 200, page);
    }

    private void show(Context request) throws IOException {
        Requests.allowQuery(request);
        Optional<Operation> held = held(request);
        Requests.answer(request, 200, held.isPresent() ? held.get().view() : past(request));
    }

    private void trace(Context request) throws IOException {
        Requests.allowQuery(request);
        Optional<Operation> held = held(request);
        if (held.isEmpty()) {
            throw new ApiException(
                    Problem.Kind.NOT_FOUND,
                    "operation %s: has no trace any more, the daemon keeps those of its own last operations"
                            .formatted(past(request).id()));
        }
        Requests.answer(request, 200, held.get().trace());
    }

    /// Answers at once: what is cancelled ends where it can be undone.
    private void cancel(Context request) throws IOException {
        Requests.allowQuery(request, Requests.WAITER);
        Optional<Operation> held = held(request);
        if (held.isEmpty()) {
            Requests.answer(request, 200, past(request)); // It has ended.
            return;
        }
        Operation operation = held.get();
        String waiter = Requests.waiter(request);
        if (waiter != null && operation.kind() == Operation.Kind.RESUME) {
            vms.leave(operation, waiter);
        } else {
            operation.cancel();
        }
        Requests.answer(request, operation.isEnded() ? 200 : 202, operation.view());
    }

    private Optional<Operation> held(Context request) {
        return operations
                .find(request.pathParam("id"))
                .filter(operation -> Caller.of(request).sees(operation.vm()));
    }

    /// {@return what the catalog has of it}
    private OperationView past(Context request) throws IOException {
        String id = request.pathParam("id");
        return past.find(id)
                .filter(operation -> Caller.of(request).sees(operation.vm()))
                .orElseThrow(() -> new ApiException(
                        Problem.Kind.NOT_FOUND,
                        "operation %s: no such operation, the oldest are forgotten".formatted(id)));
    }
}
