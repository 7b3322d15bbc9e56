package dev.dormouse.daemon;

import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/// Threads that do one thing after the other, behind the back of those who want them done.
final class OneThread {
    private static final long END_SECONDS = 5;

    private OneThread() {}

    static ScheduledExecutorService named(String name) {
        return Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name(name).factory());
    }

    /// Has it do what is left, for some seconds at most; it takes nothing more.
    static void end(ExecutorService thread) {
        thread.shutdown();
        try {
            var _ = thread.awaitTermination(END_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }
}
