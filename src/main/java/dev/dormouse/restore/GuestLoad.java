package dev.dormouse.restore;

import dev.dormouse.storage.Libc;

/// How busy a QEMU is, by the processor time that it has had: the background leaves a guest that works half of
/// its time, and takes all of it beside one that rests. Owned by one thread.
final class GuestLoad {
    private static final long WINDOW_NANOS = 10_000_000;
    private static final long LONG_WINDOW_NANOS = 500_000_000;
    /// A share of a processor below which a guest rests: an idle one wakes for its timers.
    private static final double RESTING_MAX = 0.3;

    private final long pid;
    private boolean momentsCount = true;
    private long sampleNanos;
    private long processorNanos;
    private boolean resting;

    /// @param pid of QEMU; 0 for a guest that is taken as busy
    GuestLoad(long pid) {
        this.pid = pid;
    }

    /// @param value false to take no notice of moments in which a guest that works waits for something: only half a
    ///     second is a rest then
    void countMoments(boolean value) {
        momentsCount = value;
    }

    /// {@return whether the guest has hardly worked for the last hundredth of a second or so}
    boolean isResting(long nowNanos) {
        if (pid > 0 && nowNanos - sampleNanos >= (momentsCount || resting ? WINDOW_NANOS : LONG_WINDOW_NANOS)) {
            long used = Libc.processorNanos(pid);
            resting = used >= 0 && processorNanos > 0 && used - processorNanos < RESTING_MAX * (nowNanos - sampleNanos);
            processorNanos = used;
            sampleNanos = nowNanos;
        }
        return resting;
    }
}
