package dev.dormouse.daemon;

import java.util.ArrayDeque;
import java.util.Iterator;

/// How many restores may be under way at once. Those that wait go in the order in which they came, and know their
/// place. Any thread.
final class RestoreSlots {
    private static final long LOOK_MILLIS = 200;

    private final int max;
    private final ArrayDeque<Operation> waiting = new ArrayDeque<>(); // Guarded by this, as is what follows.
    private int used;

    /// @param max 0 for no limit
    RestoreSlots(int max) {
        this.max = max;
    }

    /// Waits until the operation may begin; each one that returns from this calls [#release] once.
    ///
    /// @param urgent go at once, because a guest that ran before waits for its pages
    /// @throws ApiException if the operation is cancelled meanwhile
    synchronized void acquire(Operation operation, boolean urgent) throws ApiException {
        if (urgent || max == 0) {
            used++;
            return;
        }
        waiting.addLast(operation);
        try {
            awaitTurn(operation);
            used++;
        } finally {
            waiting.remove(operation);
            tellPositions();
            notifyAll();
        }
    }

    private void awaitTurn(Operation operation) throws ApiException {
        tellPositions();
        while (used >= max || waiting.peekFirst() != operation) {
            if (operation.isCancelled()) {
                throw new ApiException(
                        Problem.Kind.CONFLICT, "vm %s: cancelled, it is as it was".formatted(operation.vm()));
            }
            try {
                wait(LOOK_MILLIS);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                throw new ApiException(Problem.Kind.UNAVAILABLE, "the daemon is being stopped");
            }
        }
    }

    private void tellPositions() {
        int position = used < max ? 0 : 1; // The first one is about to begin when there is a place.
        for (Iterator<Operation> all = waiting.iterator(); all.hasNext(); position++) {
            Operation operation = all.next();
            if (position > 0) {
                operation.queued(position);
            }
        }
    }

    synchronized void release() {
        used--;
        notifyAll();
    }
}
