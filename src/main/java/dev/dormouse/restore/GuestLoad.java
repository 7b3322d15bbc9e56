package dev.dormouse.restore;

import dev.dormouse.base.HostProcessors;
import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Supplier;

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
    private final Supplier<Optional<HostProcessors>> host;
    private Optional<HostProcessors> looked;

    /// Of a host that is taken as busy.
    ///
    /// @param pid of QEMU; 0 for a guest that is taken as busy
    GuestLoad(long pid) {
        this(pid, Optional::empty);
    }

    /// {@return the load of a QEMU and of its host, from now on}
    static GuestLoad fromNow(long pid) {
        return new GuestLoad(pid, GuestLoad::processors);
    }

    /// @param host what its processors have done by now; empty if that is not known, which counts as busy
    GuestLoad(long pid, Supplier<Optional<HostProcessors>> host) {
        this.pid = pid;
        this.host = host;
        this.looked = host.get();
    }

    private static Optional<HostProcessors> processors() {
        try {
            return Optional.of(HostProcessors.read());
        } catch (IOException _) {
            return Optional.empty(); // A background that is slow does no harm.
        }
    }

    /// {@return whether a processor of the host has been idle since this was asked before, or since the beginning}
    boolean leavesProcessor() {
        Optional<HostProcessors> before = looked;
        looked = host.get();
        return before.isPresent() && looked.isPresent() && looked.get().idleSince(before.get()) >= IDLE_MIN;
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
