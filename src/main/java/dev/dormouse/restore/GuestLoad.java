package dev.dormouse.restore;

import dev.dormouse.base.HostProcessors;
import dev.dormouse.storage.Libc;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// How busy a QEMU is, by the processor time that it has had: the background leaves a guest that works half of
/// its time, and takes all of it beside one that rests. And how busy its host is. Owned by one thread.
final class GuestLoad {
    private static final long WINDOW_NANOS = 10_000_000;
    private static final long LONG_WINDOW_NANOS = 500_000_000;
    /// A share of a processor below which a guest rests: an idle one wakes for its timers.
    private static final double RESTING_MAX = 0.3;
    /// Of a processor that nobody uses: the rest are the guest's own device threads and the like.
    private static final double IDLE_MIN = 0.75;

    private final long pid;
    private boolean momentsCount = true;
    private long sampleNanos;
    private long processorNanos;
    private boolean resting;
    private final @Nullable HostProcessors start;

    /// Of a host that is taken as busy.
    ///
    /// @param pid of QEMU; 0 for a guest that is taken as busy
    GuestLoad(long pid) {
        this(pid, null);
    }

    /// {@return the load of a QEMU and of its host, from now on}
    static GuestLoad fromNow(long pid) {
        return new GuestLoad(pid, processors());
    }

    /// @param start what the processors of the host had done at the beginning; null on a host that is taken as busy
    GuestLoad(long pid, @Nullable HostProcessors start) {
        this.pid = pid;
        this.start = start;
    }

    private static @Nullable HostProcessors processors() {
        try {
            return HostProcessors.read();
        } catch (IOException _) {
            return null; // As on a busy host: a background that is slow does no harm.
        }
    }

    /// {@return whether a processor of the host has been idle since the beginning}
    boolean leavesProcessor() {
        HostProcessors now = start == null ? null : processors();
        return now != null && now.idleSince(start) >= IDLE_MIN;
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
