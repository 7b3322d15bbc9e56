package dev.dormouse.bench;

/// Sees when this machine stands still: a virtual one whose host does something else runs none of its threads, not even
/// one that only sleeps. So does a long collection of garbage in this process, of which the heap is too small for that.
/// Its thread runs until it is closed.
final class PauseWatch implements AutoCloseable {
    private static final long SLEEP_MILLIS = 20;
    /// So late is no thread that only sleeps because others have the processors.
    private static final long PAUSE_NANOS = 150_000_000;

    private final Thread thread =
            Thread.ofPlatform().daemon().name("pause-watch").unstarted(this::watch);
    private volatile boolean closed;
    private volatile long pausedNanos; // Written by the thread only.

    PauseWatch() {
        thread.start();
    }

    /// {@return for how long it has stood still since this was made}
    double millis() {
        return pausedNanos / 1e6;
    }

    private void watch() {
        long last = System.nanoTime();
        while (!closed) {
            try {
                Thread.sleep(SLEEP_MILLIS);
            } catch (InterruptedException _) {
                return;
            }
            long now = System.nanoTime();
            if (now - last > PAUSE_NANOS) {
                pausedNanos = pausedNanos + now - last;
            }
            last = now;
        }
    }

    @Override
    public void close() {
        closed = true;
    }
}
