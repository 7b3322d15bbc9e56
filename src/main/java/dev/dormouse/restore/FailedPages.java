package dev.dormouse.restore;

import java.io.IOException;
import java.util.LinkedHashSet;
import java.util.function.LongSupplier;

/// What a page-fault server could not place, and when it tries again. While there is such a page the restore is
/// *stalled*, which its listener is told. Owned by the server's thread.
final class FailedPages {
    private static final long RETRY_NANOS = 1_000_000_000;

    private final RestoreListener listener;
    private final LongSupplier clock;
    private final LinkedHashSet<Long> demands = new LinkedHashSet<>();
    private final LinkedHashSet<Integer> groups = new LinkedHashSet<>();
    private long retryNanos;
    private boolean stalled;
    private String reason = ""; // Of the stall.

    FailedPages(RestoreListener listener, LongSupplier clock) {
        this.listener = listener;
        this.clock = clock;
    }

    /// Only the first failure since the last retry is told, and only it sets the time of the next retry:
    /// a background that fails again and again must not put off what the guest waits for.
    void stall(IOException failure) {
        if (!stalled) {
            stalled = true;
            retryNanos = clock.getAsLong() + RETRY_NANOS;
            reason = failure.getMessage() == null ? failure.toString() : failure.getMessage();
            StallEvent.record(reason);
            listener.stalled(reason);
        }
    }

    boolean isStalled() {
        return stalled;
    }

    /// The guest waits for this frame.
    void addDemand(long frame) {
        demands.add(frame);
    }

    boolean hasDemands() {
        return !demands.isEmpty();
    }

    void addGroup(int group) {
        groups.add(group);
    }

    boolean hasGroup(int group) {
        return groups.contains(group);
    }

    /// Tries a page or a group again.
    @FunctionalInterface
    interface Retry {
        void again(long number) throws IOException;
    }

    /// Tries again what failed, if it is time: the demands, then one group, so that new demands do not wait for
    /// all of them. When that went well the next call goes on. What fails once more is to be added again.
    ///
    /// @throws LeftStalledException with the reason of the stall, if nobody wants to wait for its end any more
    void retry(long now, Retry demand, Retry group) throws IOException {
        if (stalled && listener.givesUp()) {
            throw new LeftStalledException(reason);
        }
        if (!stalled || now - retryNanos < 0) {
            return;
        }
        stalled = false;
        for (int left = demands.size(); left > 0 && !stalled; left--) {
            demand.again(demands.removeFirst());
        }
        if (!stalled && !groups.isEmpty()) {
            group.again(groups.removeFirst());
        }
        boolean allPlaced = demands.isEmpty() && groups.isEmpty();
        if (allPlaced) {
            listener.unstalled();
        }
        stalled = !allPlaced;
    }
}
