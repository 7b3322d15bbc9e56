package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.catalog.OperationRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The operations that the daemon holds no more, as the catalog has them: those of earlier daemons, and its own that
/// ended long ago. Any thread.
final class PastOperations {
    private static final int ROWS = 100;

    private final History history;

    PastOperations(History history) {
        this.history = history;
    }

    /// @throws IOException if the catalog cannot be used
    Optional<OperationView> find(String id) throws IOException {
        return history.ask(catalog -> catalog.operation(id)).map(PastOperations::view);
    }

    /// {@return those that are wanted, the newest first}
    ///
    /// @param after only those that are older than this one; null for all
    /// @param vm only those on it; null for those on all
    /// @throws IOException if the catalog cannot be used, or has no operation `after` that is wanted
    List<OperationView> list(@Nullable String after, @Nullable String vm, Predicate<OperationRecord> wanted, int limit)
            throws IOException {
        long before = after == null ? Long.MAX_VALUE : number(after, wanted);
        var found = new ArrayList<OperationView>();
        while (found.size() < limit) {
            long from = before;
            List<OperationRecord> rows = history.ask(catalog -> catalog.operations(vm, from, ROWS));
            rows.stream()
                    .filter(wanted)
                    .limit(limit - found.size())
                    .map(PastOperations::view)
                    .forEach(found::add);
            if (rows.size() < ROWS) {
                break;
            }
            before = rows.getLast().id();
        }
        return found;
    }

    private long number(String id, Predicate<OperationRecord> wanted) throws IOException {
        return history.ask(catalog -> catalog.operation(id))
                .filter(wanted)
                .orElseThrow(() -> new ApiException(
                        Problem.Kind.INVALID,
                        "query: 'after' is '%s', no such operation; the oldest are forgotten".formatted(id)))
                .id();
    }

    static OperationRecord record(OperationView view) {
        return new OperationRecord(
                0,
                view.id(),
                view.vm(),
                view.kind(),
                view.state(),
                view.created(),
                view.started(),
                view.ended(),
                view.guestRunsMillis(),
                view.responsiveMillisEstimate(),
                view.done(),
                view.total(),
                view.continuedBy(),
                view.result() == null ? null : Json.write(view.result()),
                view.error() == null ? null : Json.write(view.error()));
    }

    /// One that is under way is not past: if the catalog has not its end, that could not be written down.
    private static OperationView view(OperationRecord row) {
        return row.ended() == null
                ? cutOff(
                        row,
                        row.created(),
                        null,
                        "vm %s: how its %s ended could not be written down; 'dormouse show %s' tells what the VM is now"
                                .formatted(row.vm(), row.kind(), row.vm()))
                : view(
                        row,
                        row.state(),
                        row.ended(),
                        row.continuedBy(),
                        row.error() == null ? null : Json.parse(Problem.class, row.error()));
    }

    /// {@return one that ended without anybody seeing how}
    ///
    /// @param ended when that was noticed
    /// @param continuedBy the operation that carries on with it
    static OperationView cutOff(OperationRecord row, String ended, @Nullable String continuedBy, String detail) {
        return view(row, "failed", ended, continuedBy, Problem.of(Problem.Kind.INTERRUPTED, detail));
    }

    private static OperationView view(
            OperationRecord row, String state, String ended, @Nullable String continuedBy, @Nullable Problem error) {
        Map<String, Object> result = row.result() == null ? null : Json.parseObject(row.result());
        return new OperationView(
                row.operation(),
                row.kind(),
                row.vm(),
                state,
                row.created(),
                row.started(),
                ended,
                null,
                null,
                null,
                row.guestRunsMillis(),
                row.responsiveMillisEstimate(),
                row.done(),
                row.total(),
                null,
                result,
                error,
                continuedBy);
    }
}
