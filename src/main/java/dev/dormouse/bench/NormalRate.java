package dev.dormouse.bench;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// How fast an undisturbed guest works, and over which windows that can be told. The probe's loop is even enough for a
/// tenth of a second; of a workload whose operations are large or differ, or come in lumps (a package is unpacked,
/// then configured), the shortest windows are taken with which a guest that nobody disturbs hardly ever counts as
/// stalled and mostly as responsive. The same ones decide on every way of restoring; they slide in steps of 10 ms
/// whatever their length, so that a time to responsiveness is not rounded to them.
///
/// @param perSecond the median of the windows
/// @param windowNanos their length
/// @param spread the 5th percentile of the windows, as a share of the median
/// @param held the share of instants at which the undisturbed guest counts as responsive
record NormalRate(double perSecond, long windowNanos, double spread, double held) {
    private static final int[] LONGER_WINDOW_MILLIS = {250, 500, 1000, 2000};
    private static final int WARM_UP_MILLIS = 2000;
    private static final double HELD_SHARE = 0.75;

    /// Watches the guest; the first two seconds warm it up.
    static NormalRate observe(GuestProbe probe, int seconds) throws ProbeException, InterruptedException {
        Thread.sleep(WARM_UP_MILLIS);
        long from = System.nanoTime();
        Thread.sleep(1000L * seconds);
        return of(probe.reportsSince(from));
    }

    /// @throws ProbeException if the guest did not work
    static NormalRate of(List<TimedReport> reports) throws ProbeException {
        NormalRate rate = of(reports, WorkRate.WINDOW_NANOS);
        for (int millis : LONGER_WINDOW_MILLIS) {
            if (rate.spread >= Responsiveness.STALL_SHARE && rate.held >= HELD_SHARE) {
                return rate;
            }
            NormalRate longer = of(reports, millis * 1_000_000L);
            if (Double.isNaN(longer.held)) {
                break; // The guest was not watched for long enough to tell.
            }
            rate = longer;
        }
        if (!(rate.spread > 0) && !(rate.held > 0)) {
            throw new ProbeException(
                    "probe: reported %.1f operations a second, too few to tell when a guest works again;"
                                    .formatted(rate.perSecond)
                            + " its workload must count smaller ones");
        }
        return rate;
    }

    private static NormalRate of(List<TimedReport> reports, long windowNanos) throws ProbeException {
        WorkRate rate = WorkRate.of(reports, windowNanos);
        double[] windows = rate.windows(Long.MIN_VALUE, Long.MAX_VALUE);
        double median = WorkRate.quantile(windows, 0.5);
        if (!(rate.total() > 0)) {
            throw new ProbeException("probe: reported no work, its work loop or workload must be running");
        }
        double perSecond = median > 0 ? median : rate.perSecond();
        return new NormalRate(
                perSecond,
                windowNanos,
                WorkRate.quantile(windows, 0.05) / perSecond,
                Responsiveness.share(perSecond, rate));
    }

    /// {@return what every line of samples says of it}
    Map<String, Object> facts() {
        var facts = new LinkedHashMap<String, Object>();
        facts.put("baselineRate", Math.round(perSecond));
        facts.put("baselineSpread", spread);
        facts.put("baselineHeld", Double.isNaN(held) ? null : held);
        facts.put("windowMs", windowNanos / 1_000_000);
        return facts;
    }
}
