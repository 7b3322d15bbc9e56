package dev.dormouse.bench;

import dev.dormouse.base.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/// Lines of raw samples of a bench, some of them, and what is computed of them.
record Samples(List<Map<String, Object>> lines) {
    static Samples read(Path file) throws IOException {
        return new Samples(
                Files.readAllLines(file).stream().map(Json::parseObject).toList());
    }

    /// {@return those that count: not the runs that were made once more because the host had stood still}
    Samples undisturbed() {
        return where(line -> !line.containsKey(RestoreBench.DISTURBED));
    }

    /// {@return a sentence about the others; empty if there is nothing to say}
    String disturbed() {
        int again = size() - undisturbed().size();
        int all = undisturbed()
                .where(line -> line.containsKey("round") && RestoreBench.stoodStill(line))
                .size();
        return again + all == 0
                ? ""
                : "Runs in which the host of this virtual machine stood still for a quarter of a second or more: %d that were made once more and do not count, %d that count."
                        .formatted(again, all);
    }

    Samples where(Predicate<Map<String, Object>> condition) {
        return new Samples(lines.stream().filter(condition).toList());
    }

    Samples where(String field, @Nullable Object value) {
        return where(line -> Objects.equals(line.get(field), value));
    }

    boolean isEmpty() {
        return lines.isEmpty();
    }

    int size() {
        return lines.size();
    }

    /// {@return the different values of a field, sorted}
    List<String> values(String field) {
        var values = new TreeSet<String>();
        for (Map<String, Object> line : lines) {
            Object value = line.get(field);
            if (value != null) {
                values.add(text(value));
            }
        }
        return List.copyOf(values);
    }

    /// {@return the value as text; whole numbers, which JSON has as any number, without a fraction}
    static String text(@Nullable Object value) {
        return value instanceof Double number && number == Math.rint(number)
                ? Long.toString(number.longValue())
                : String.valueOf(value);
    }

    /// {@return what the first line says}
    @Nullable
    Object first(String field) {
        return lines.isEmpty() ? null : lines.getFirst().get(field);
    }

    /// {@return the numbers of a field, ascending; a line without one is left out}
    double[] numbers(String field) {
        return lines.stream()
                .map(line -> line.get(field))
                .filter(Number.class::isInstance)
                .mapToDouble(value -> ((Number) value).doubleValue())
                .sorted()
                .toArray();
    }

    /// {@return the times to responsiveness, ascending, one for each line; infinite where the guest did not become as
    /// fast as before}
    double[] timesToResponsiveness() {
        return lines.stream()
                .map(line -> line.get("timeToResponsivenessMs"))
                .mapToDouble(value -> value instanceof Number time ? time.doubleValue() : Double.POSITIVE_INFINITY)
                .sorted()
                .toArray();
    }

    double median(String field) {
        return median(numbers(field));
    }

    /// @param number of a line; NaN of one that is left out
    double median(ToDoubleFunction<Map<String, Object>> number) {
        return median(lines.stream()
                .mapToDouble(number)
                .filter(value -> !Double.isNaN(value))
                .sorted()
                .toArray());
    }

    static double median(double[] sorted) {
        int middle = sorted.length / 2;
        return sorted.length == 0
                ? Double.NaN
                : sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    /// {@return the numbers between which the median lies at 95 %, whatever its distribution; their range where there
    /// are too few for that}
    ///
    /// @param sorted at least one number
    static double[] confidence(double[] sorted) {
        int count = sorted.length;
        int outside = 0;
        double tail = Math.pow(0.5, count); // Of as many or fewer numbers below the median.
        double probability = tail;
        for (int below = 0; 2 * tail <= 0.05; below++) {
            outside = below;
            probability = probability * (count - below) / (below + 1);
            tail += probability;
        }
        return new double[] {sorted[outside], sorted[count - 1 - outside]};
    }

    /// {@return the smallest of the numbers that this share of them does not exceed; NaN without any}
    static double quantile(double[] sorted, double quantile) {
        return sorted.length == 0 ? Double.NaN : sorted[Math.max(0, (int) Math.ceil(quantile * sorted.length) - 1)];
    }

    /// {@return the series of a field, by line}
    List<double[]> series(String field) {
        return lines.stream()
                .map(line -> line.get(field))
                .filter(List.class::isInstance)
                .map(list -> ((List<?>) list)
                        .stream()
                                .mapToDouble(value -> ((Number) value).doubleValue())
                                .toArray())
                .toList();
    }

    /// {@return the median of the series of a field at each place that at least half of them have, at most so many}
    double[] medians(String field, int places) {
        List<double[]> series = series(field);
        var medians = new ArrayList<Double>();
        for (int at = 0; at < places; at++) {
            int place = at;
            double[] values = series.stream()
                    .filter(one -> one.length > place)
                    .mapToDouble(one -> one[place])
                    .sorted()
                    .toArray();
            if (values.length == 0 || 2 * values.length < series.size()) {
                break;
            }
            medians.add(median(values));
        }
        return medians.stream().mapToDouble(Double::doubleValue).toArray();
    }

    /// {@return the sum of the histograms of a field, written as a list of counts}
    long[] histogram(String field) {
        long[] sum = new long[LatencyHistogram.BUCKET_COUNT];
        for (Map<String, Object> line : lines) {
            if (line.get(field) instanceof String text && text.startsWith("[")) {
                long[] counts = Arrays.stream(
                                text.substring(1, text.length() - 1).split(", ", -1))
                        .mapToLong(Long::parseLong)
                        .toArray();
                Arrays.setAll(sum, i -> sum[i] + counts[i]);
            }
        }
        return sum;
    }
}
