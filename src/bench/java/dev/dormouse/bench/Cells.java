package dev.dormouse.bench;

import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.DoubleFunction;

/// How numbers are written in the cells of a report's tables. NaN was not measured, infinite was never reached.
final class Cells {
    static final String NOT_MEASURED = "-";
    static final String FAILED = "failed";
    static final String NOT_REACHED = "not reached";

    private Cells() {}

    static String millis(double value) {
        return Double.isNaN(value)
                ? NOT_MEASURED
                : Double.isInfinite(value) ? NOT_REACHED : String.format(Locale.ROOT, "%,.0f", value);
    }

    static String mega(double bytes) {
        return Double.isNaN(bytes) ? NOT_MEASURED : String.format(Locale.ROOT, "%,.0f", bytes / 1e6);
    }

    static String percent(double share) {
        boolean small = Math.abs(share) < 0.1;
        return Double.isFinite(share)
                ? String.format(Locale.ROOT, small ? "%.1f %%" : "%.0f %%", 100 * share)
                : NOT_MEASURED;
    }

    static String ratio(double value) {
        return Double.isFinite(value) ? String.format(Locale.ROOT, "%.1f", value) : NOT_MEASURED;
    }

    static String decimals(double value) {
        return Double.isNaN(value) ? NOT_MEASURED : String.format(Locale.ROOT, "%.2f", value);
    }

    /// {@return the median with its confidence interval; `-` without a number}
    static String interval(double[] sorted, DoubleFunction<String> format) {
        if (sorted.length == 0) {
            return NOT_MEASURED;
        }
        double[] interval = Samples.confidence(sorted);
        return "%s (%s to %s)"
                .formatted(
                        format.apply(Samples.median(sorted)),
                        format.apply(interval[0]),
                        Double.isInfinite(interval[1]) ? "never" : format.apply(interval[1]));
    }

    /// {@return why the first line failed that did, as text that a table can take}
    static String failure(Samples samples) {
        return Objects.toString(samples.where(Cells::hasFailed).first("failed"), "no state")
                .replace('|', '/')
                .replace('\n', ' ');
    }

    static boolean hasFailed(Map<String, Object> line) {
        return line.containsKey("failed");
    }

    /// {@return the smaller number; the other one if one is not there}
    static double smaller(double a, double b) {
        return Double.isNaN(a) || b < a ? b : a;
    }

    /// {@return the larger number; the other one if one is not there}
    static double larger(double a, double b) {
        return -smaller(-a, -b);
    }
}
