package dev.dormouse.restore;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Latencies of demands, counted in buckets that are an eighth of a power of two wide, so that a quantile
/// is at most 12.5 % too high; and by the bounds of [RestoreReport#DEMAND_MICROS_MAX]. Owned by one thread.
final class DemandLatency {
    private static final int STEPS_BITS = 3;
    private static final int STEPS = 1 << STEPS_BITS;

    private static final long[] BOUNDS_NANOS = RestoreReport.DEMAND_MICROS_MAX.stream()
            .mapToLong(micros -> micros * 1000)
            .toArray();

    private final long[] counts = new long[Long.SIZE * STEPS];
    private final long[] bounded = new long[BOUNDS_NANOS.length + 1]; // The last one: longer than all bounds.
    private long count;
    private long maxNanos;
    private long totalNanos;

    void record(long nanos) {
        long latency = Math.max(0, nanos);
        counts[bucket(latency)]++;
        bounded[bound(latency)]++;
        count++;
        totalNanos += latency;
        maxNanos = Math.max(maxNanos, latency);
    }

    long count() {
        return count;
    }

    long totalNanos() {
        return totalNanos;
    }

    long maxNanos() {
        return maxNanos;
    }

    /// {@return a bound that this share of the latencies does not exceed, 0 without any}
    long quantileNanos(double quantile) {
        long rank = Math.max(1, (long) Math.ceil(quantile * count));
        long seen = 0;
        for (int i = 0; i < counts.length; i++) {
            seen += counts[i];
            if (seen >= rank) {
                return Math.min(upperNanos(i), maxNanos);
            }
        }
        return 0;
    }

    /// {@return how many demands took how long, without those durations that none took}
    List<RestoreReport.DemandCount> demandCounts() {
        var result = new ArrayList<RestoreReport.DemandCount>();
        for (int i = 0; i < bounded.length; i++) {
            if (bounded[i] > 0) {
                Long microsMax = i < BOUNDS_NANOS.length ? RestoreReport.DEMAND_MICROS_MAX.get(i) : null;
                result.add(new RestoreReport.DemandCount(microsMax, bounded[i]));
            }
        }
        return result;
    }

    /// {@return the index of the smallest bound that is not exceeded}
    private static int bound(long nanos) {
        int index = Arrays.binarySearch(BOUNDS_NANOS, nanos);
        return index >= 0 ? index : -index - 1;
    }

    private static int bucket(long nanos) {
        if (nanos < STEPS) {
            return (int) nanos;
        }
        int exponent = Long.SIZE - 1 - Long.numberOfLeadingZeros(nanos);
        int step = (int) (nanos >>> (exponent - STEPS_BITS)) & (STEPS - 1);
        return (exponent - STEPS_BITS + 1) * STEPS + step;
    }

    private static long upperNanos(int bucket) {
        if (bucket < STEPS) {
            return bucket;
        }
        int shift = bucket / STEPS - 1;
        return ((long) (STEPS + bucket % STEPS + 1) << shift) - 1;
    }
}
