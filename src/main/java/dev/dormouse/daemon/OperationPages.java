package dev.dormouse.daemon;

import dev.dormouse.engine.ErrorText;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Lists all operations page by page: those that the daemon holds and those of the catalog as one list, in the order
/// in which they began. That order stays while operations pass from the one to the other, so that none is left out or
/// told twice. Any thread.
///
/// Of the held ones that are newer than all that the daemon has forgotten none of the catalog lies between: a page of
/// these alone needs no catalog, and nobody waits for its disk.
final class OperationPages {
    private static final Logger LOG = LoggerFactory.getLogger(OperationPages.class);

    private final Operations operations;
    private final PastOperations past;

    OperationPages(Operations operations, PastOperations past) {
        this.operations = operations;
        this.past = past;
    }

    /// @param vm only those on it; null for those on all that the caller sees
    /// @param after only those that began before this one; null for all
    /// @throws IOException if the catalog is needed and cannot be used; not of the first page, which has only
    ///     what is held then
    OperationView.Page page(Caller caller, @Nullable String vm, @Nullable String after, int limit) throws IOException {
        Operations.Held all = operations.held();
        List<Operation> seen = all.newestFirst().stream()
                .filter(operation -> caller.sees(operation.vm()))
                .toList();
        Set<String> held = seen.stream().map(Operation::id).collect(Collectors.toSet());
        boolean goesOn = after == null || held.contains(after);
        long before = after == null ? Long.MAX_VALUE : operations.number(after);
        List<Operation> rest = seen.stream()
                .filter(operation -> number(operation) < before)
                .filter(operation -> vm == null || operation.vm().equals(vm))
                .limit(limit + 1L)
                .toList();
        List<Operation> first = rest.stream()
                .takeWhile(operation -> goesOn && number(operation) > all.forgotten())
                .limit(limit)
                .toList();
        if (first.size() == limit) {
            return pageOf(first.stream().map(Operation::view).toList(), limit, true);
        }
        String from = first.isEmpty() ? after : first.getLast().id();
        var views = new ArrayList<>(rest.stream().map(Operation::view).toList());
        views.addAll(past(new PastOperations.Wanted(caller, vm, from, held), after == null, limit + 1 - first.size()));
        views.sort(Comparator.comparingLong((OperationView view) -> operations.number(view.id()))
                .reversed()); // It is stable: those of earlier daemons stay in the order of the catalog.
        return pageOf(views, limit, false);
    }

    private List<OperationView> past(PastOperations.Wanted wanted, boolean isFirst, int limit) throws IOException {
        try {
            return past.list(wanted, operations, limit);
        } catch (IOException e) {
            if (!isFirst) { // The client would believe that it has all.
                throw e;
            }
            LOG.debug("operations: those of earlier daemons are not known: {}", ErrorText.of(e));
            return List.of();
        }
    }

    private long number(Operation operation) {
        return operations.number(operation.id());
    }

    /// @param more whether there may be others behind these
    private static OperationView.Page pageOf(List<OperationView> views, int limit, boolean more) {
        List<OperationView> items = views.subList(0, Math.min(limit, views.size()));
        return new OperationView.Page(
                items, more || views.size() > limit ? items.getLast().id() : null);
    }
}
