package dev.dormouse.restore;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// The only door through which another thread reaches the page-fault server: frames that the guest waits
/// for, and the end of the return path. Bounded; the return path waits when the server is far behind,
/// which QEMU tolerates because it asks again for nothing.
final class DemandQueue {
    private static final int DEMANDS_MAX = 4096;
    private static final long FULL_WAIT_MILLIS = 100;

    /// @param frame the page that somebody in QEMU waits for
    /// @param arrivalNanos when the request was read, by `System.nanoTime`
    record Demand(long frame, long arrivalNanos) {}

    private final ArrayBlockingQueue<Demand> demands = new ArrayBlockingQueue<>(DEMANDS_MAX);
    private volatile @Nullable Exception failure;
    private volatile boolean closed;
    private volatile boolean discarding;
    private volatile boolean held;
    private volatile @Nullable Thread waiting; // The server's, while it waits.
    private volatile boolean woken;

    /// Waits while the queue is full and the server at work.
    void put(Demand demand) throws InterruptedException {
        while (!discarding && !demands.offer(demand, FULL_WAIT_MILLIS, TimeUnit.MILLISECONDS)) {
            // The server is far behind, or has ended since.
        }
        LockSupport.unpark(waiting);
    }

    /// There is other work for the server: it does not wait on.
    void wake() {
        woken = true;
        LockSupport.unpark(waiting);
    }

    /// The server is to go on, also when every page is placed, until [#release].
    void hold() {
        held = true;
    }

    /// Nobody needs the server any more once every page is placed.
    void release() {
        held = false;
        wake();
    }

    boolean isHeld() {
        return held;
    }

    /// The server has ended, well or not: whoever puts a demand from now on does not wait for it.
    void discard() {
        discarding = true;
        demands.clear();
    }

    boolean isEmpty() {
        return demands.isEmpty();
    }

    /// The return path ended, in order if `reason` is null.
    void close(@Nullable Exception reason) {
        failure = reason;
        closed = true;
        wake();
    }

    boolean isClosed() {
        return closed;
    }

    @Nullable
    Exception failure() {
        return failure;
    }

    @Nullable
    Demand poll() {
        return demands.poll();
    }

    /// Waits for a demand or [#wake], at most for the time given. Called by one thread.
    @Nullable
    Demand poll(long timeoutNanos) throws InterruptedException {
        long end = System.nanoTime() + timeoutNanos;
        waiting = Thread.currentThread(); // Before the look into the queue: whoever comes after that unparks us.
        try {
            while (true) {
                Demand demand = demands.poll();
                long left = end - System.nanoTime();
                if (demand != null || woken || left <= 0) {
                    woken = false;
                    return demand;
                }
                LockSupport.parkNanos(this, left);
                if (Thread.interrupted()) {
                    throw new InterruptedException();
                }
            }
        } finally {
            waiting = null;
        }
    }
}
