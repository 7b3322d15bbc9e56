package dev.dormouse.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;

/// The rate of the guest's work loop over time, from reports in the order of their arrival. Immutable.
///
/// Between two reports the work is taken as spread evenly. A gap is therefore a stall: the little that was done
/// in it counts, at the low rate that it was, and nothing is made up. Before the first report the rate is
/// unknown, after the last as well.
///
/// Rates are those of **windows of 100 ms**: ten reports, so that one report more or less (they are 10 ms apart, and
/// the host may read one late) is not the 10 % that decide on responsiveness, and short enough to see a stall that a
/// person notices. They slide in steps of 10 ms, because a stall does not begin at a multiple of 100 ms.
public final class WorkRate {
    public static final long WINDOW_NANOS = 100_000_000;
    public static final long STEP_NANOS = 10_000_000;

    private final long[] arrivalNanos;
    private final long[] iterations;
    private final long windowNanos;

    private WorkRate(long[] arrivalNanos, long[] iterations, long windowNanos) {
        this.arrivalNanos = arrivalNanos;
        this.iterations = iterations;
        this.windowNanos = windowNanos;
    }

    /// Only the reports of one probe's life belong together: after a restart of the probe its counters start anew.
    public static WorkRate of(List<TimedReport> reports) {
        return of(reports, WINDOW_NANOS);
    }

    /// The same with windows of another length, a multiple of [#STEP_NANOS], for work that is less even than the
    /// loop's.
    static WorkRate of(List<TimedReport> reports, long windowNanos) {
        long[] arrivals = reports.stream().mapToLong(TimedReport::arrivalNanos).toArray();
        long[] iterations =
                reports.stream().mapToLong(timed -> timed.report().iterations()).toArray();
        for (int i = 1; i < arrivals.length; i++) {
            if (arrivals[i] < arrivals[i - 1] || iterations[i] < iterations[i - 1]) {
                throw new IllegalArgumentException("report %d is older than the one before it".formatted(i));
            }
        }
        return new WorkRate(arrivals, iterations, windowNanos);
    }

    /// {@return the iterations per second in every window between the two times, in order; empty if no window fits}
    public double[] windows(long fromNanos, long untilNanos) {
        if (arrivalNanos.length < 2) {
            return new double[0];
        }
        long first = Math.max(fromNanos, arrivalNanos[0]);
        long last = Math.min(untilNanos, arrivalNanos[arrivalNanos.length - 1]);
        List<Double> rates = new ArrayList<>();
        for (long start = first; start + windowNanos <= last; start += STEP_NANOS) {
            rates.add(rateFrom(start));
        }
        return rates.stream().mapToDouble(Double::doubleValue).toArray();
    }

    /// The normal rate: the median of the windows of the last seconds of the series, which a short stall does not
    /// move. Empty if the series has not one window, or is of a guest that does no work.
    public OptionalDouble baseline(double lastSeconds) {
        if (arrivalNanos.length < 2) {
            return OptionalDouble.empty();
        }
        long end = arrivalNanos[arrivalNanos.length - 1];
        double median = quantile(windows(end - (long) (lastSeconds * 1e9), end), 0.5);
        return median > 0 ? OptionalDouble.of(median) : OptionalDouble.empty();
    }

    /// {@return the rate below which this share of the windows lies; NaN without windows}
    public static double quantile(double[] windows, double quantile) {
        if (windows.length == 0) {
            return Double.NaN;
        }
        double[] sorted = windows.clone();
        Arrays.sort(sorted);
        return sorted[(int) Math.round(quantile * (sorted.length - 1))];
    }

    /// {@return the lowest rate over any such span between the two times, in steps of 10 ms; empty if none fits}
    ///
    /// @param spanNanos a multiple of the window
    public OptionalDouble lowest(long fromNanos, long untilNanos, long spanNanos) {
        double[] windows = windows(fromNanos, untilNanos);
        int stride = (int) (windowNanos / STEP_NANOS);
        int count = (int) (spanNanos / windowNanos);
        OptionalDouble lowest = OptionalDouble.empty();
        for (int start = 0; start + (count - 1) * stride < windows.length; start++) {
            double sum = 0;
            for (int i = 0; i < count; i++) {
                sum += windows[start + i * stride];
            }
            double mean = sum / count;
            lowest = OptionalDouble.of(lowest.isPresent() ? Math.min(lowest.getAsDouble(), mean) : mean);
        }
        return lowest;
    }

    long firstArrivalNanos() {
        return arrivalNanos[0];
    }

    boolean isEmpty() {
        return arrivalNanos.length == 0;
    }

    long windowNanos() {
        return windowNanos;
    }

    /// {@return the work from the first report to the last}
    long total() {
        return isEmpty() ? 0 : iterations[iterations.length - 1] - iterations[0];
    }

    /// {@return the work from the first report until then, or until the last one if that is earlier}
    double workUntil(long nanos) {
        if (isEmpty()) {
            return 0;
        }
        long until = Math.clamp(nanos, arrivalNanos[0], arrivalNanos[arrivalNanos.length - 1]);
        return iterationsAt(until) - iterations[0];
    }

    /// {@return the mean rate from the first report to the last; NaN without two of them}
    double perSecond() {
        return isEmpty() ? Double.NaN : total() * 1e9 / (arrivalNanos[arrivalNanos.length - 1] - arrivalNanos[0]);
    }

    private double rateFrom(long startNanos) {
        double done = iterationsAt(startNanos + windowNanos) - iterationsAt(startNanos);
        return done * 1e9 / windowNanos;
    }

    private double iterationsAt(long nanos) {
        int found = Arrays.binarySearch(arrivalNanos, nanos);
        if (found >= 0) {
            return iterations[found];
        }
        int next = -found - 1;
        long span = arrivalNanos[next] - arrivalNanos[next - 1];
        double share = (double) (nanos - arrivalNanos[next - 1]) / span;
        return iterations[next - 1] + share * (iterations[next] - iterations[next - 1]);
    }
}
