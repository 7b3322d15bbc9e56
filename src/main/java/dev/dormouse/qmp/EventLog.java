package dev.dormouse.qmp;

import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;

/// The most recent events of one connection, in order, and the place to wait for the next. Any thread.
///
/// A *mark* numbers a position: taken before a command is sent, it makes sure that an event which
/// arrives before the reply is not missed. An event that [#HISTORY_MAX] later ones pushed out is lost,
/// so whoever waits for a state polls for it too.
final class EventLog {
    static final int HISTORY_MAX = 4096;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<QmpEvent> history = new ArrayDeque<>();
    private long end; // Number of events ever added; history holds those before it.
    private boolean closed;

    void add(QmpEvent event) {
        lock.lock();
        try {
            if (history.size() == HISTORY_MAX) history.removeFirst();
            history.addLast(event);
            end++;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// Ends all waits; what arrived before is still found.
    void close() {
        lock.lock();
        try {
            closed = true;
            changed.signalAll();
        } finally {
            lock.unlock();
        }
    }

    /// {@return the number of the next event}
    long mark() {
        lock.lock();
        try {
            return end;
        } finally {
            lock.unlock();
        }
    }

    /// {@return the first matching event from the mark on, or empty when the time is over or the log was closed}
    Optional<QmpEvent> await(long mark, Predicate<QmpEvent> wanted, long timeoutNanos) throws InterruptedException {
        long remainingNanos = timeoutNanos;
        long next = mark;
        lock.lockInterruptibly();
        try {
            while (true) {
                Optional<QmpEvent> found = find(next, wanted);
                next = end;
                if (found.isPresent() || closed || remainingNanos <= 0) return found;
                remainingNanos = changed.awaitNanos(remainingNanos);
            }
        } finally {
            lock.unlock();
        }
    }

    private Optional<QmpEvent> find(long from, Predicate<QmpEvent> wanted) {
        long number = end - history.size();
        for (QmpEvent event : history) {
            if (number >= from && wanted.test(event)) return Optional.of(event);
            number++;
        }
        return Optional.empty();
    }

    /// {@return the bound in nanoseconds, the longest possible where it does not fit}
    static long nanos(Duration duration) {
        return TimeUnit.NANOSECONDS.convert(duration);
    }
}
