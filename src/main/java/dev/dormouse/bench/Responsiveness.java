package dev.dormouse.bench;

import java.time.Duration;
import java.util.Optional;

/// When a resumed guest was as fast as before. Pure functions.
public final class Responsiveness {
    /// The share of the normal rate that counts as responsive.
    public static final double SHARE = 0.9;
    /// How long the rate must stay there.
    public static final long HOLD_NANOS = 1_000_000_000;

    private Responsiveness() {}

    /// The time from the request to the first instant from which every window of one second is at 90 % of the normal
    /// rate or above. Empty if the series has no such second, or ends before one is full: never is not zero.
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
        int inARow = 0;
        for (int i = 0; i < windows.length; i++) {
            inARow = windows[i] >= SHARE * baseline ? inARow + 1 : 0;
            if (inARow == needed) {
                long start = first + (i - needed + 1) * WorkRate.STEP_NANOS;
                return Optional.of(Duration.ofNanos(start - requestNanos));
            }
        }
        return Optional.empty();
    }
}
