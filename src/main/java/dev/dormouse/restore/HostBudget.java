package dev.dormouse.restore;

import dev.dormouse.storage.Libc;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// What all restores of a process share: the threads that read ahead, the rule that a demand of any
/// guest goes before the background of every guest, and a limit of what they all load in the background.
///
/// Each restore has only a few batches under way, and the threads take them as they come, so the restores
/// share the reads evenly. Demands are read by the owner thread of their restore and queue nowhere.
public final class HostBudget {
    /// The restores of this process.
    public static final HostBudget SHARED = new HostBudget(
            pool("restore-reader", Runtime.getRuntime().availableProcessors(), 0),
            pool("restore-sprint", Runtime.getRuntime().availableProcessors(), 0),
            pool("restore-background", Runtime.getRuntime().availableProcessors(), 10));

    /// What was owed to a limit that has been raised since is forgotten.
    private static final long DEBT_NANOS_MAX = 60_000_000_000L;

    private final Executor urgent;
    private final Executor sprint;
    private final Executor background;
    private volatile @Nullable Demanded last;
    private volatile long bytesPerSecond;
    private final AtomicInteger restores = new AtomicInteger();
    private long restEndNanos; // Guarded by this.

    /// @param guest something by which its restore is known
    private record Demanded(long nanos, Object guest) {}

    /// @param urgent reads what a guest is about to ask for
    /// @param sprint reads the rest of guests with little memory
    /// @param background reads the rest
    HostBudget(Executor urgent, Executor sprint, Executor background) {
        this.urgent = urgent;
        this.sprint = sprint;
        this.background = background;
    }

    /// A restore begins to read.
    void enter() {
        restores.incrementAndGet();
    }

    /// A restore that has [entered][#enter] has ended.
    void leave() {
        restores.decrementAndGet();
    }

    /// {@return how many restores go on}
    int restores() {
        return restores.get();
    }

    /// Limits how much memory all restores together load in the background. What guests wait for is not
    /// held back, nor is a restore that is to be completed at once.
    ///
    /// @param newBytesPerSecond 0 for no limit
    public void limitBackground(long newBytesPerSecond) {
        bytesPerSecond = newBytesPerSecond;
    }

    /// {@return whether there is such a limit}
    boolean isLimited() {
        return bytesPerSecond > 0;
    }

    /// The background of a restore has placed so much. Each rests until what all have placed is within the
    /// limit, so they take turns.
    ///
    /// @return until when it rests
    long onBackground(long bytes, long nowNanos) {
        long rate = bytesPerSecond;
        if (rate == 0) {
            return nowNanos;
        }
        synchronized (this) {
            long before = restEndNanos - nowNanos;
            restEndNanos = nowNanos + Math.clamp(before, 0, DEBT_NANOS_MAX) + (long) (bytes * 1e9 / rate);
            return restEndNanos;
        }
    }

    Executor urgent() {
        return urgent;
    }

    Executor sprint() {
        return sprint;
    }

    Executor background() {
        return background;
    }

    /// A guest has waited for a page.
    void onDemand(long nowNanos, Object guest) {
        last = new Demanded(nowNanos, guest);
    }

    /// {@return whether the guest that waited last is another one, and did within that time}
    boolean isDemandedElsewhere(long nowNanos, long withinNanos, Object guest) {
        Demanded demand = last;
        return demand != null && !demand.guest.equals(guest) && nowNanos - demand.nanos < withinNanos;
    }

    /// Threads that do not keep the process alive.
    private static ExecutorService pool(String name, int processors, int nice) {
        var number = new AtomicInteger();
        return Executors.newFixedThreadPool(
                Math.clamp(processors, 1, 4),
                task -> Thread.ofPlatform()
                        .daemon()
                        .name(name + "-" + number.getAndIncrement())
                        .unstarted(() -> {
                            if (nice > 0) {
                                Libc.setThreadNice(nice); // Where that fails it reads all the same.
                            }
                            task.run();
                        }));
    }
}
