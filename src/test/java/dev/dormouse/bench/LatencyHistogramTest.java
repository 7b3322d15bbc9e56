package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class LatencyHistogramTest {
    @Test
    void boundsAQuantileByTheEndOfItsBucket() {
        LatencyHistogram histogram = histogram(8, 99, 20, 1);

        assertThat(histogram.quantileNanosBelow(0.5)).hasValue(512);
        assertThat(histogram.quantileNanosBelow(0.99)).hasValue(512);
        assertThat(histogram.quantileNanosBelow(1)).hasValue(1 << 21);
        assertThat(new LatencyHistogram(new long[LatencyHistogram.BUCKET_COUNT]).quantileNanosBelow(0.5))
                .isEmpty();
    }

    @Test
    void tellsWhatCameSinceAnEarlierState() {
        assertThat(histogram(8, 99, 20, 4).since(histogram(8, 90, 20, 4))).isEqualTo(histogram(8, 9, 20, 0));
        assertThatThrownBy(() -> histogram(8, 1, 20, 0).since(histogram(8, 2, 20, 0)))
                .hasMessage("histogram with the count -1 overflows");
    }

    private static LatencyHistogram histogram(int bucket, long count, int otherBucket, long otherCount) {
        long[] counts = new long[LatencyHistogram.BUCKET_COUNT];
        counts[bucket] = count;
        counts[otherBucket] = otherCount;
        return new LatencyHistogram(counts);
    }
}
