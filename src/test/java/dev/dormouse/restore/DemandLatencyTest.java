package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

class DemandLatencyTest {
    private final DemandLatency latency = new DemandLatency();

    @Test
    void knowsNothingWithoutADemand() {
        assertThat(latency.quantileNanos(0.5)).isZero();
        assertThat(latency.maxNanos()).isZero();
    }

    @Test
    void isAtMostAnEighthTooHighAndNeverTooLow() {
        for (long nanos = 1; nanos < Long.MAX_VALUE / 3; nanos = nanos * 3 / 2 + 1) {
            var one = new DemandLatency();
            one.record(nanos);
            one.record(Long.MAX_VALUE);

            assertThat(one.quantileNanos(0.5))
                    .isGreaterThanOrEqualTo(nanos)
                    .isCloseTo(nanos, Percentage.withPercentage(12.5));
        }
    }

    @Test
    void countsRanks() {
        for (int i = 1; i <= 100; i++) {
            latency.record(i * 1000L);
        }

        assertThat(latency.quantileNanos(0.5)).isBetween(50_000L, 57_000L);
        assertThat(latency.quantileNanos(0.99)).isBetween(99_000L, 100_000L);
        assertThat(latency.maxNanos()).isEqualTo(100_000);
    }

    @Test
    void takesAClockThatSteppedBackForNoTime() {
        latency.record(-5);

        assertThat(latency.maxNanos()).isZero();
    }
}
