package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class WorkRateTest {
    private static final long ALL = Long.MAX_VALUE;

    @Test
    void isTheSameInEveryWindowOfASteadySeries() {
        double[] windows = new SyntheticReports(0).run(1000, 5000).rate().windows(0, ALL);

        assertThat(windows).hasSize(91).containsOnly(new double[] {5000}, within(0.001));
    }

    @Test
    void countsAGapAsAStall() {
        WorkRate rate =
                new SyntheticReports(0).run(200, 5000).stall(300).run(200, 5000).rate();

        double[] inTheGap = rate.windows(200_000_000, 500_000_000);

        assertThat(inTheGap).hasSize(21);
        assertThat(WorkRate.quantile(inTheGap, 1)).isLessThan(200);
    }

    @Test
    void losesNothingWithADroppedReport() {
        List<TimedReport> reports = new SyntheticReports(0).run(500, 5000).list();
        List<TimedReport> thinned = reports.stream()
                .filter(timed -> timed.report().sequence() % 3 != 2)
                .toList();

        assertThat(WorkRate.of(thinned).windows(0, 400_000_000)).containsOnly(new double[] {5000}, within(0.001));
    }

    @Test
    void tellsTheWorkUntilATimeAsFarAsItIsKnown() {
        WorkRate rate = new SyntheticReports(0).run(1000, 5000).rate();

        assertThat(rate.workUntil(500_000_000)).isCloseTo(2500, within(60.0));
        assertThat(rate.workUntil(ALL)).isEqualTo((double) rate.total());
        assertThat(rate.workUntil(-1)).isZero();
    }

    @Test
    void takesTheMedianOfTheLastSecondsAsBaseline() {
        WorkRate rate = new SyntheticReports(-7_000_000_000L)
                .run(3000, 900)
                .run(1500, 5000)
                .stall(200)
                .run(300, 5000)
                .rate();

        assertThat(rate.baseline(2).orElseThrow()).isCloseTo(5000, within(0.001));
    }

    @Test
    void hasNoBaselineWithoutWork() {
        assertThat(new SyntheticReports(0).run(1000, 0).rate().baseline(1)).isEmpty();
        assertThat(new SyntheticReports(0).run(50, 5000).rate().baseline(1)).isEmpty();
        assertThat(WorkRate.of(List.of()).baseline(1)).isEmpty();
    }

    @Test
    void refusesReportsOfTwoLivesOfTheProbe() {
        List<TimedReport> first = new SyntheticReports(0).run(100, 5000).list();
        List<TimedReport> second = new SyntheticReports(1_000_000_000).list();
        List<TimedReport> mixed = List.of(first.get(5), second.get(0));

        assertThatThrownBy(() -> WorkRate.of(mixed))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("report 1 is older than the one before it");
    }
}
