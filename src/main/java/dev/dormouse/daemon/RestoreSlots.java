package dev.dormouse.daemon;

import java.time.Duration;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// How many restores may be under way at once. Of those that wait the one of the highest priority goes first; of
/// several of one priority those go first for which a client waits, and then in the order in which they came. They
/// know their place, and about when their turn comes. Any thread.
final class RestoreSlots {
    private static final long LOOK_MILLIS = 200;
    /// How much the restore that ended last counts for what the next ones are expected to take.
    private static final double NEWEST_PART = 0.3;

    private final int max;
    private final LongSupplier clock;
    private final TreeSet<Turn> waiting = new TreeSet<>(); // Guarded by this, as is what follows.
    private final Set<Turn> held = new HashSet<>();
    private int used;
    private long count;
    private @Nullable Duration usual;

    /// One that waits, or is under way.
    ///
    /// @param number in the order in which they came
    record Turn(Operation operation, Urgency urgency, Priority priority, long number, long startNanos)
            implements Comparable<Turn> {
        private static final Comparator<Turn> ORDER = Comparator.comparing(Turn::priority)
                .thenComparing(Turn::urgency)
                .reversed()
                .thenComparingLong(Turn::number);

        @Override
        public int compareTo(Turn other) {
            return ORDER.compare(this, other);
        }
    }

    /// Who waits for a restore; later is more.
    enum Urgency {
        /// Nobody in particular.
        NONE,
        /// A client at a front.
        CLIENT,
        /// A guest that ran before, and waits for its pages: it goes at once.
        GUEST
    }

    /// @param max 0 for no limit
    /// @param clock nanoseconds, as [System#nanoTime]
    RestoreSlots(int max, LongSupplier clock) {
        this.max = max;
        this.clock = clock;
    }

    /// Waits until the operation may begin; each turn that this returns is to be [released][#release].
    ///
    /// @throws ApiException if the operation is cancelled meanwhile
    synchronized Turn acquire(Operation operation, Urgency urgency, Priority priority) throws ApiException {
        var turn = new Turn(operation, urgency, priority, ++count, 0);
        if (urgency == Urgency.GUEST || max == 0) {
            used++;
        } else {
            queue(turn);
        }
        var begun = new Turn(operation, urgency, priority, turn.number, clock.getAsLong());
        held.add(begun);
        return begun;
    }

    private void queue(Turn turn) throws ApiException {
        waiting.add(turn);
        try {
            awaitTurn(turn);
            used++;
        } finally {
            waiting.removeIf(other -> other.operation == turn.operation); // It may have been raised.
            tellPositions();
            notifyAll();
        }
    }

    /// Has an operation that waits go before others of its priority; one that does not wait is left alone.
    synchronized void raise(Operation operation, Urgency urgency) {
        waiting.stream()
                .filter(turn -> turn.operation == operation && turn.urgency.compareTo(urgency) < 0)
                .findFirst()
                .ifPresent(turn -> {
                    waiting.remove(turn);
                    waiting.add(new Turn(operation, urgency, turn.priority, turn.number, 0));
                    tellPositions();
                    notifyAll();
                });
    }

    private void awaitTurn(Turn turn) throws ApiException {
        tellPositions();
        while (used >= max || waiting.first().operation != turn.operation) {
            turn.operation.refuseIfCancelled();
            try {
                wait(LOOK_MILLIS);
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
                throw new ApiException(Problem.Kind.UNAVAILABLE, "the daemon is being stopped");
            }
        }
        turn.operation.refuseIfCancelled();
    }

    private void tellPositions() {
        int position = used < max ? 0 : 1; // The first one is about to begin when there is a place.
        for (Turn turn : waiting) {
            if (position > 0) {
                turn.operation.queued(position, expected(position).orElse(null));
            }
            position++;
        }
    }

    /// {@return about how long it takes until as many restores have ended as is the position}
    private Optional<Duration> expected(int position) {
        return Optional.ofNullable(usual)
                .map(each -> each.multipliedBy(position).dividedBy(max));
    }

    /// Lets the next one begin. Only the first time counts: a restore that goes on unnoticed is in nobody's way
    /// before its end.
    ///
    /// @param restored whether it has come so far that its time says something of others
    synchronized void release(Turn turn, boolean restored) {
        if (!held.remove(turn)) {
            return;
        }
        used--;
        if (restored) {
            learn(turn);
        }
        notifyAll();
    }

    private void learn(Turn turn) {
        Duration took = Duration.ofNanos(clock.getAsLong() - turn.startNanos);
        Duration before = usual;
        usual = before == null
                ? took
                : before.plusNanos((long) (took.minus(before).toNanos() * NEWEST_PART));
    }
}
