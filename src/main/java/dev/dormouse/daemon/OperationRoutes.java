package dev.dormouse.daemon;

import dev.dormouse.catalog.OperationRecord;
import dev.dormouse.engine.ErrorText;
import io.javalin.config.RoutesConfig;
import io.javalin.http.Context;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The resources under `/v1/operations`.
final class OperationRoutes {
    private static final Logger LOG = LoggerFactory.getLogger(OperationRoutes.class);

    private final Operations operations;
    private final Vms vms;
    private final PastOperations past;

    OperationRoutes(Operations operations, Vms vms, History history) {
        this.operations = operations;
        this.vms = vms;
        past = new PastOperations(history);
    }

    void add(RoutesConfig routes) {
        routes.get("/v1/operations", this::list, Access.VIEWER);
        routes.get("/v1/operations/{id}", this::show, Access.VIEWER);
        routes.get("/v1/operations/{id}/trace", this::trace, Access.VIEWER);
        routes.delete("/v1/operations/{id}", this::cancel, Access.OPERATOR);
    }

    /// Those that the daemon holds, then those of the catalog. While that cannot be used there are only the former.
    private void list(Context request) throws IOException {
        Requests.allowQuery(request, "limit", "after", "vm");
        int limit = Requests.limit(request);
        String vm = request.queryParam("vm");
        String after = request.queryParam("after");
        List<Operation> held = operations.newestFirst().stream()
                .filter(operation -> Caller.of(request).sees(operation.vm()))
                .toList();
        List<String> ids = held.stream().map(Operation::id).toList();
        int begin = after == null ? 0 : ids.indexOf(after) + 1;
        boolean isHeld = after == null || begin > 0;
        var found = new ArrayList<OperationView>();
        if (isHeld) {
            held.stream()
                    .skip(begin)
                    .filter(operation -> vm == null || operation.vm().equals(vm))
                    .limit(limit + 1L)
                    .map(Operation::view)
                    .forEach(found::add);
        }
        if (found.size() <= limit) {
            found.addAll(past(request, isHeld ? null : after, Set.copyOf(ids), limit + 1 - found.size()));
        }
        boolean more = found.size() > limit;
        Requests.answer(
                request,
                200,
                new OperationView.Page(
                        more ? found.subList(0, limit) : found,
                        more ? found.get(limit - 1).id() : null));
    }

    /// {@return the next ones of the catalog}
    ///
    /// @param after where to go on; null for the first ones
    /// @param held those that the daemon holds
    private List<OperationView> past(Context request, @Nullable String after, Set<String> held, int limit)
            throws IOException {
        Caller caller = Caller.of(request);
        Predicate<OperationRecord> wanted = row -> caller.sees(row.vm())
                && !held.contains(row.operation())
                && operations.find(row.operation()).isEmpty(); // Else it has begun since.
        try {
            return past.list(after, request.queryParam("vm"), wanted, limit);
        } catch (IOException e) {
            if (after != null) {
                throw e;
            }
            LOG.debug("operations: those of earlier daemons are not known: {}", ErrorText.of(e));
            return List.of();
        }
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
