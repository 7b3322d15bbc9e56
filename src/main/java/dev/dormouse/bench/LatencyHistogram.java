package dev.dormouse.bench;

import java.util.Arrays;
import java.util.OptionalLong;

/// Counts of latencies by power of two: bucket `i` holds those from 2^i to 2^(i+1) - 1 ns, the last one
/// everything from there on. Immutable.
public final class LatencyHistogram {
    public static final int BUCKET_COUNT = 32;

    private final long[] counts;

    /// @param counts one count per bucket, none negative, their sum a `long`
    public LatencyHistogram(long... counts) {
        if (counts.length != BUCKET_COUNT) {
            throw new IllegalArgumentException(
                    "histogram of " + counts.length + " buckets, " + BUCKET_COUNT + " are needed");
        }
        this.counts = counts.clone();
        long sum = 0;
        for (long count : counts) {
            if (count < 0 || sum + count < 0) {
                throw new IllegalArgumentException("histogram with the count " + count + " overflows");
            }
            sum += count;
        }
    }

    public long count(int bucket) {
        return counts[bucket];
    }

    public long totalCount() {
        return Arrays.stream(counts).sum();
    }

    /// {@return what came on top of an earlier state of the same counters}
    public LatencyHistogram since(LatencyHistogram earlier) {
        long[] difference = new long[BUCKET_COUNT];
        Arrays.setAll(difference, i -> counts[i] - earlier.counts[i]);
        return new LatencyHistogram(difference);
    }

    /// {@return a bound in nanoseconds that this share of the latencies stays below; empty without any}
    public OptionalLong quantileNanosBelow(double quantile) {
        long rank = (long) Math.ceil(quantile * totalCount());
        long seen = 0;
        for (int i = 0; i < BUCKET_COUNT; i++) {
            seen += counts[i];
            if (seen >= rank && seen > 0) {
                return OptionalLong.of(1L << (i + 1));
            }
        }
        return OptionalLong.empty();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof LatencyHistogram histogram && Arrays.equals(counts, histogram.counts);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(counts);
    }

    @Override
    public String toString() {
        return Arrays.toString(counts);
    }
}
