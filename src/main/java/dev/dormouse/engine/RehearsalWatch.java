package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.restore.RestoreListener.Progress;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/// Ends a rehearsal by ending its QEMU: when the guest hardly asks for new pages any more, when it has had its
/// time, or when somebody else wants the VM. Looks at it on a thread of its own; any thread may ask.
final class RehearsalWatch implements AutoCloseable {
    private static final long LOOK_MILLIS = 20;
    private static final long START_NANOS_MAX = TimeUnit.SECONDS.toNanos(60);
    private static final long LEAST_NANOS = TimeUnit.SECONDS.toNanos(4);
    private static final long MOST_NANOS = TimeUnit.SECONDS.toNanos(20);
    /// A set of less than that time is none.
    private static final long SHORT_NANOS = TimeUnit.SECONDS.toNanos(2);
    /// In this time a guest that has what it wants asks for hardly anything: this share of all, or so many pages.
    private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final double NEW_SHARE_MAX = 0.02;
    private static final int NEW_PAGES_MAX = 100;
    private static final Progress NONE = new Progress(0, 0, 0, 0, 0);

    private final QemuProcess qemu;
    private final Wish wish;
    private final long startNanos = System.nanoTime();
    private final Thread thread;
    private volatile long runningNanos; // 0 before.
    private volatile long endNanos; // 0 before.
    private volatile boolean settled;
    private volatile boolean closed;
    private volatile Progress last = NONE;

    /// Whether the rehearsal is to be broken off.
    @FunctionalInterface
    interface Wish {
        boolean isWanted() throws IOException;
    }

    RehearsalWatch(QemuProcess qemu, Wish wish) {
        this.qemu = qemu;
        this.wish = wish;
        thread = Thread.ofPlatform().daemon().name("rehearsal-watch").start(this::watch);
    }

    void running() {
        runningNanos = System.nanoTime();
    }

    void progress(Progress progress) {
        last = progress;
    }

    /// {@return whether it was ended by this, as it should be}
    boolean hasEnded() {
        return endNanos != 0;
    }

    /// What was seen of a guest.
    ///
    /// @param millis for which it ran
    /// @param demandedPages that are not zero
    /// @param settled whether it hardly asked for new ones in the end
    record Seen(long millis, long demandedPages, long nonZeroPages, boolean settled) {
        boolean isTooShort() {
            return millis < TimeUnit.NANOSECONDS.toMillis(SHORT_NANOS);
        }

        /// {@return the share of what is not zero that the guest wants} One that asks on and on goes through all of
        /// it.
        double wantedShare() {
            return settled ? Math.min(1, demandedPages / (double) Math.max(1, nonZeroPages)) : 1;
        }
    }

    Seen seen() {
        long ran = runningNanos == 0 ? 0 : endNanos - runningNanos;
        return new Seen(TimeUnit.NANOSECONDS.toMillis(ran), last.demandedPages(), last.nonZeroPages(), settled);
    }

    private void watch() {
        long windowNanos = startNanos;
        long before = 0;
        try {
            while (!closed) {
                Thread.sleep(LOOK_MILLIS);
                long now = System.nanoTime();
                if (now - windowNanos >= WINDOW_NANOS) {
                    long demanded = last.demandedPages();
                    settled = demanded - before <= Math.max(NEW_PAGES_MAX, demanded * NEW_SHARE_MAX);
                    before = demanded;
                    windowNanos = now;
                }
                if (isOver(now) || wish.isWanted()) {
                    endNanos = now;
                    qemu.kill();
                    return;
                }
            }
        } catch (InterruptedException | IOException _) {
            // Its QEMU is ended in any case by whoever started it.
        }
    }

    private boolean isOver(long now) {
        if (runningNanos == 0) {
            return now - startNanos > START_NANOS_MAX;
        }
        long ran = now - runningNanos;
        return ran > MOST_NANOS || (ran > LEAST_NANOS && settled);
    }

    @Override
    public void close() {
        closed = true;
        try {
            thread.join();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // It ends by itself.
        }
    }
}
