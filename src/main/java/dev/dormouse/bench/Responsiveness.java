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
    /// For how many windows the rate must stay there: one second, of windows of the usual length.
    private static final int HOLD_WINDOWS = 10;
    /// Of windows of half a second and more it is so long, or the smallest number of windows that tells a rate: ten of
    /// two seconds each would be longer than a run is watched.
    private static final long HOLD_NANOS_MAX = 5_000_000_000L;
    private static final int HOLD_WINDOWS_MIN = 3;

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
        int stride = stride(rate);
        int needed = needed(rate);
        for (int i = 0; i + needed <= windows.length; i++) {
            if (holds(windows, i, stride, needed, baseline)) {
                return Optional.of(Duration.ofNanos(first + i * WorkRate.STEP_NANOS - requestNanos));
            }
        }
        return Optional.empty();
    }

    /// {@return the share of the instants of a series at which a guest counts as responsive: of an undisturbed one, how
    /// well this measure suits its work; NaN if the series is too short}
    static double share(double baseline, WorkRate rate) {
        double[] windows = rate.windows(Long.MIN_VALUE, Long.MAX_VALUE);
        int stride = stride(rate);
        int needed = needed(rate);
        int instants = windows.length - needed + 1;
        int held = 0;
        for (int i = 0; i < instants; i++) {
            held += holds(windows, i, stride, needed, baseline) ? 1 : 0;
        }
        return instants > 0 ? (double) held / instants : Double.NaN;
    }

    private static int stride(WorkRate rate) {
        return (int) (rate.windowNanos() / WorkRate.STEP_NANOS);
    }

    /// {@return how long the rate must stay there, with windows of this length}
    static long holdNanos(long windowNanos) {
        long windows = Math.clamp(HOLD_NANOS_MAX / windowNanos, HOLD_WINDOWS_MIN, HOLD_WINDOWS);
        return windows * windowNanos;
    }

    /// {@return how many windows, one every [WorkRate#STEP_NANOS], begin and end in that time}
    private static int needed(WorkRate rate) {
        long windowNanos = rate.windowNanos();
        return (int) ((holdNanos(windowNanos) - windowNanos) / WorkRate.STEP_NANOS) + 1;
    }

    /// Looks at all windows of one second: each may not be a stall, and those that lie side by side give the
    /// work of the second.
    ///
    /// @param needed how many windows those are
    private static boolean holds(double[] windows, int start, int stride, int needed, double baseline) {
        double sum = 0;
        int count = 0;
        for (int i = start; i < start + needed; i++) {
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
