package dev.dormouse.restore;

import dev.dormouse.storage.Libc;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/// What all restores of a process share: the threads that read ahead, and the rule that a demand of any
/// guest goes before the background of every guest.
///
/// Each restore has only a few batches under way, and the threads take them as they come, so the restores
/// share the reads evenly. Demands are read by the owner thread of their restore and queue nowhere.
final class HostBudget {
    /// The restores of this process.
    static final HostBudget SHARED = new HostBudget(
            pool("restore-reader", Runtime.getRuntime().availableProcessors(), 0),
            pool("restore-background", Runtime.getRuntime().availableProcessors(), 10));

    private final Executor urgent;
    private final Executor background;
    private final AtomicLong lastDemandNanos = new AtomicLong();
    private volatile boolean demanded;

    /// @param urgent reads what a guest is about to ask for
    /// @param background reads the rest
    HostBudget(Executor urgent, Executor background) {
        this.urgent = urgent;
        this.background = background;
    }

    Executor urgent() {
        return urgent;
    }

    Executor background() {
        return background;
    }

    /// A guest has waited for a page.
    void onDemand(long nowNanos) {
        lastDemandNanos.set(nowNanos);
        demanded = true;
    }

    /// {@return whether a guest has waited for a page within that time}
    boolean isDemanded(long nowNanos, long withinNanos) {
        return demanded && nowNanos - lastDemandNanos.get() < withinNanos;
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
