package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.restore.RestoreListener.Progress;
import dev.dormouse.restore.WorkingSet;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/// Ends a rehearsal by ending its QEMU: when the guest hardly asks for new pages any more, when it has had its
/// time, or when somebody else wants the VM. Looks at it on a thread of its own; any thread may ask.
final class RehearsalWatch implements AutoCloseable {
    private static final long LOOK_MILLIS = 20;
    private static final long START_NANOS_MAX = TimeUnit.SECONDS.toNanos(60);
    private static final long LEAST_NANOS = TimeUnit.SECONDS.toNanos(4);
    private static final long MOST_NANOS = TimeUnit.SECONDS.toNanos(20);
    private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(1);
    /// In a second a guest that has what it wants asks for hardly anything: this share of all, or so many pages.
    private static final double NEW_SHARE_MAX = 0.02;
    private static final int NEW_PAGES_MAX = 100;
    /// One that has had its time and asks for more in a second would wait for a tenth of it.
    private static final int ASKING_PAGES_MIN = 1000;
    /// Of what is not zero; one that has asked for so much, and asks on, wants all of it.
    private static final double EVERYTHING_SHARE_MIN = 0.1;
    /// One that asks for so many waits for 100 to 400 us for each, much of its time: it would have asked for more.
    private static final int WAITING_PAGES_MIN = 1750;
    private static final double WAITING_SHARE_MIN = 0.04;
    private static final Progress NONE = new Progress(0, 0, 0, 0, 0);

    private final QemuProcess qemu;
    private final Wish wish;
    private final long startNanos = System.nanoTime();
    private final Thread thread;
    private long windowNanos = startNanos; // Of the thread that looks, as is the next one.
    private long demandedBefore;
    private volatile long runningNanos; // 0 before.
    private volatile long endNanos; // 0 before.
    private volatile boolean whole;
    private volatile long newPages; // In the last second.
    private volatile boolean stalled;
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

    /// The guest waits for a page that cannot be read: what it asks for from now on says nothing.
    void stalled() {
        stalled = true;
    }

    /// {@return whether it was ended by this}
    boolean hasEnded() {
        return endNanos != 0;
    }

    /// {@return whether the guest has had its time, so that what it asked for is all that it wants first}
    boolean isWhole() {
        return whole;
    }

    /// What was seen of a guest that has had its time.
    ///
    /// @param millis for which it ran
    /// @param demandedPages that are not zero
    /// @param newPages of them, for which it asked in its last second
    record Seen(long millis, long demandedPages, long nonZeroPages, long newPages) {
        /// {@return whether it went on asking for new ones, so that these are not all}
        boolean asksOn() {
            return newPages >= ASKING_PAGES_MIN || demandedPages > WorkingSet.FRAMES_MAX;
        }

        /// {@return the share of what is not zero that it wants; all, of one that has asked for much and asks on}
        double wantedShare() {
            double share = Math.min(1, demandedPages / (double) Math.max(1, nonZeroPages));
            double much = newPages >= WAITING_PAGES_MIN ? WAITING_SHARE_MIN : EVERYTHING_SHARE_MIN;
            return asksOn() && share >= much ? 1 : share;
        }
    }

    Seen seen() {
        return new Seen(
                TimeUnit.NANOSECONDS.toMillis((hasEnded() ? endNanos : System.nanoTime()) - runningNanos),
                last.demandedPages(),
                last.nonZeroPages(),
                newPages);
    }

    private void watch() {
        try {
            while (!closed && !hasEnded()) {
                Thread.sleep(LOOK_MILLIS);
                look(System.nanoTime());
            }
        } catch (InterruptedException | IOException | RuntimeException _) {
            endNanos = System.nanoTime(); // Who cannot ask whether it may go on does not.
        }
        if (hasEnded()) {
            end();
        }
    }

    private void look(long now) throws IOException {
        if (now - windowNanos >= WINDOW_NANOS) {
            long demanded = last.demandedPages();
            newPages = demanded - demandedBefore;
            demandedBefore = demanded;
            windowNanos = now;
        }
        whole = isOver(now) && !stalled;
        if (whole || stalled || wish.isWanted() || hasNotBegun(now)) {
            endNanos = now;
        }
    }

    private void end() {
        try {
            qemu.kill();
        } catch (IOException _) {
            // Whoever started it tries again, and says so.
        }
    }

    private boolean hasNotBegun(long now) {
        return runningNanos == 0 && now - startNanos > START_NANOS_MAX;
    }

    private boolean isOver(long now) {
        long ran = runningNanos == 0 ? 0 : now - runningNanos;
        boolean settled = newPages <= Math.max(NEW_PAGES_MAX, last.demandedPages() * NEW_SHARE_MAX);
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
