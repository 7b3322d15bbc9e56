package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.catalog.Catalog;
import dev.dormouse.catalog.CatalogException;
import dev.dormouse.catalog.OperationRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// The operations that the daemon holds no more, as the catalog has them: those of earlier daemons, and its own that
/// ended long ago. Any thread.
final class PastOperations {
    private final History history;

    PastOperations(History history) {
        this.history = history;
    }

    /// @throws IOException if the catalog cannot be used
    Optional<OperationView> find(String id) throws IOException {
        return history.ask(catalog -> catalog.operation(id)).map(PastOperations::view);
    }

    /// Which operations to list.
    ///
    /// @param vm only those on it; null for those on all that the caller sees
    /// @param after only those that began before this one; null for all
    /// @param held those that the daemon holds, which are not listed
    record Wanted(
            Caller caller, @Nullable String vm, @Nullable String after, Set<String> held) {
        private @Nullable List<String> vms(Catalog catalog) throws CatalogException {
            if (vm != null) {
                return caller.sees(vm) ? List.of(vm) : List.of();
            }
            return caller.seesAll()
                    ? null
                    : catalog.vmsOfOperations().stream().filter(caller::sees).toList();
        }

        /// {@return the id of `after` in the catalog} One that is held may be missing there.
        private long before(Catalog catalog) throws IOException {
            if (after == null) {
                return Long.MAX_VALUE;
            }
            Optional<OperationRecord> row = catalog.operation(after).filter(found -> caller.sees(found.vm()));
            if (row.isEmpty() && !held.contains(after)) {
                throw new ApiException(
                        Problem.Kind.INVALID,
                        "query: 'after' is '%s', no such operation; the oldest are forgotten".formatted(after));
            }
            return row.map(OperationRecord::id).orElse(Long.MAX_VALUE);
        }
    }

    /// {@return those that are wanted, the newest first}
    ///
    /// @param operations those of this daemon
    /// @throws IOException if the catalog cannot be used, or has no operation `after` that the caller sees
    List<OperationView> list(Wanted wanted, Operations operations, int limit) throws IOException {
        long after = wanted.after() == null ? 0 : operations.number(wanted.after());
        Predicate<OperationRecord> isNext = row -> !wanted.held().contains(row.operation())
                && operations.find(row.operation()).isEmpty() // Else it has begun since.
                && (after == 0 || operations.number(row.operation()) < after);
        return history
                .ask(catalog -> rows(catalog, wanted.vms(catalog), wanted.before(catalog), isNext, limit))
                .stream()
                .map(PastOperations::view)
                .toList();
    }

    private static List<OperationRecord> rows(
            Catalog catalog, @Nullable List<String> vms, long before, Predicate<OperationRecord> isNext, int limit)
            throws CatalogException {
        var found = new ArrayList<OperationRecord>();
        long end = before;
        while (found.size() < limit) {
            int missing = limit - found.size();
            List<OperationRecord> rows = catalog.operations(vms, end, missing);
            rows.stream().filter(isNext).forEach(found::add);
            if (rows.size() < missing) {
                break;
            }
            end = rows.getLast().id();
        }
        return found;
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
