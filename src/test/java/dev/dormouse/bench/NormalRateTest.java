package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;
import org.junit.jupiter.api.Test;

class NormalRateTest {
    private static final int REPORTS = 4000;

    /// {@return forty seconds of reports, with so much work done in each interval of 10 ms}
    private static List<TimedReport> reports(LongUnaryOperator work) {
        var reports = new ArrayList<TimedReport>();
        long done = 0;
        for (int i = 0; i < REPORTS; i++) {
            done += work.applyAsLong(i);
            long[] touches = new long[LatencyHistogram.BUCKET_COUNT];
            touches[0] = done;
            long nanos = i * WorkRate.STEP_NANOS;
            reports.add(new TimedReport(nanos, new RateReport(i + 1, nanos, done, new LatencyHistogram(touches), 1)));
        }
        return reports;
    }

    @Test
    void tellsEvenWorkByTenthsOfASecond() throws Exception {
        NormalRate rate = NormalRate.of(reports(_ -> 50));

        assertThat(rate.windowNanos()).isEqualTo(100_000_000);
        assertThat(rate.perSecond()).isEqualTo(5000);
        assertThat(rate.held()).isEqualTo(1);
    }

    @Test
    void takesLongerWindowsForLargeOperations() throws Exception {
        NormalRate rate = NormalRate.of(reports(i -> i % 20 == 0 ? 1 : 0)); // One every fifth of a second.

        assertThat(rate.windowNanos()).isGreaterThan(100_000_000);
        assertThat(rate.spread()).isGreaterThan(0.5);
    }

    @Test
    void takesWindowsOfSecondsForWorkThatComesInLumps() throws Exception {
        // A package is unpacked in a bit more than half of the time, and configured in the rest of it.
        NormalRate everySecond = NormalRate.of(reports(i -> i % 100 < 55 ? 10 : 0));
        NormalRate everyTwo = NormalRate.of(reports(i -> i % 200 < 110 ? 10 : 0));

        assertThat(everySecond.windowNanos()).isEqualTo(1_000_000_000);
        assertThat(everySecond.held()).isEqualTo(1);
        assertThat(everyTwo.windowNanos()).isEqualTo(2_000_000_000);
        assertThat(everyTwo.held()).isEqualTo(1);
    }

    @Test
    void takesNoWindowsForWhichItWasNotWatchedLongEnough() throws Exception {
        List<TimedReport> uneven = reports(i -> i % 100 < 55 ? 10 : 2);

        NormalRate rate = NormalRate.of(uneven.subList(0, 300));

        assertThat(rate.windowNanos()).isEqualTo(250_000_000);
        assertThat(rate.held()).isBetween(0.0, 0.75);
    }

    @Test
    void refusesAGuestThatDoesNothing() {
        assertThatThrownBy(() -> NormalRate.of(reports(_ -> 0))).hasMessageContaining("reported no work");
    }

    @Test
    void refusesOperationsThatTakeSeconds() {
        assertThatThrownBy(() -> NormalRate.of(reports(i -> i % 500 == 0 ? 1 : 0)))
                .hasMessageContaining("too few to tell");
    }
}
