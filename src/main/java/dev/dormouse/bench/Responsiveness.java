package dev.dormouse.bench;

import java.time.Duration;
import java.util.Optional;

/// When a resumed guest was as fast as before. Pure functions.
public final class Responsiveness {
    /// The share of the normal rate that counts as responsive, over the second that must hold it.
    public static final double SHARE = 0.9;
    /// The share below which a single window of [WorkRate#WINDOW_NANOS] counts as a stall. Not the same as
    /// [#SHARE]: on a shared host the windows of an undisturbed guest spread by a quarter of their median
    /// (`docs/adr/0004-time-to-responsiveness.md`), so 90 % in each of them would measure the neighbours.
    public static final double STALL_SHARE = 0.5;
    /// How long the rate must stay there.
    public static final long HOLD_NANOS = 1_000_000_000;

    private Responsiveness() {}

    /// The time from the request to the first instant from which the guest did, for one second, at least
    /// 90 % of its normal work and did not stall in any tenth of it. Empty if the series has no such second,
    /// or ends before one is full: never is not zero.
    ///
    /// @param requestNanos when the resume was asked for, by the clock of the arrivals
    /// @param baseline iterations per second before the suspend, see [WorkRate#baseline]
    public static Optional<Duration> timeToResponsiveness(long requestNanos, double baseline, WorkRate rate) {
        if (!(baseline > 0)) {
            throw new IllegalArgumentException(
                    "baseline is " + baseline + " iterations per second, it must be above 0");
        }
        if (rate.isEmpty()) {
            return Optional.empty();
        }
        // Reports from before the request tell of the old life of the guest.
        long first = Math.max(requestNanos, rate.firstArrivalNanos());
        double[] windows = rate.windows(first, Long.MAX_VALUE);
        int needed = (int) ((HOLD_NANOS - WorkRate.WINDOW_NANOS) / WorkRate.STEP_NANOS) + 1;
        for (int i = 0; i + needed <= windows.length; i++) {
            if (holds(windows, i, i + needed, baseline)) {
                return Optional.of(Duration.ofNanos(first + i * WorkRate.STEP_NANOS - requestNanos));
            }
        }
        return Optional.empty();
    }

    /// Looks at all windows of one second: each may not be a stall, and those that lie side by side give the
    /// work of the second.
    private static boolean holds(double[] windows, int start, int end, double baseline) {
        int stride = (int) (WorkRate.WINDOW_NANOS / WorkRate.STEP_NANOS);
        double sum = 0;
        int count = 0;
        for (int i = start; i < end; i++) {
            if (windows[i] < STALL_SHARE * baseline) {
                return false;
            }
            if ((i - start) % stride == 0) {
                sum += windows[i];
                count++;
            }
        }
        return sum / count >= SHARE * baseline;
    }
}
