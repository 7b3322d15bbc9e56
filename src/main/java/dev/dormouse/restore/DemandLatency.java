package dev.dormouse.restore;

/// Latencies of demands, counted in buckets that are an eighth of a power of two wide, so that a quantile
/// is at most 12.5 % too high. Owned by one thread.
final class DemandLatency {
    private static final int STEPS_BITS = 3;
    private static final int STEPS = 1 << STEPS_BITS;

    private final long[] counts = new long[Long.SIZE * STEPS];
    private long count;
    private long maxNanos;
    private long totalNanos;

    void record(long nanos) {
        long latency = Math.max(0, nanos);
        counts[bucket(latency)]++;
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
