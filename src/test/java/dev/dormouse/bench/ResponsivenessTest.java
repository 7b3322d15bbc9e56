package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ResponsivenessTest {
    private static final long REQUEST = 5_000_000_000L;
    private static final double BASELINE = 10_000;

    @Test
    void isTheFirstReportOfAGuestThatIsFastAtOnce() {
        SyntheticReports reports = afterRequest(300).run(1000, 9500);

        assertThat(timeMillis(reports)).isEqualTo(300);
    }

    @Test
    void startsWhereTheRateHasComeUpToNinetyPercent() {
        SyntheticReports reports = afterRequest(300).run(400, 2000).run(2000, 10_000);

        // 640 ms: the window that still has 60 ms of the slow time in it is at 52 %, which is no stall.
        assertThat(timeMillis(reports)).isEqualTo(640);
    }

    @Test
    void startsAgainBehindAStall() {
        SyntheticReports reports = afterRequest(100).run(700, 10_000).stall(200).run(1200, 10_000);

        assertThat(timeMillis(reports)).isBetween(950L, 1000L);
    }

    @Test
    void isEmptyWhenTheRateNeverHoldsForASecond() {
        SyntheticReports reports = afterRequest(100);
        for (int i = 0; i < 10; i++) {
            reports.run(850, 10_000).run(150, 1000);
        }

        assertThat(time(reports)).isEmpty();
    }

    @Test
    void isEmptyWhenTheGuestStaysJustBelowNinetyPercent() {
        assertThat(time(afterRequest(100).run(5000, 8900))).isEmpty();
    }

    @Test
    void toleratesTenthsBelowNinetyPercentInASecondThatIsAboveIt() {
        SyntheticReports reports =
                afterRequest(100).run(300, 10_000).run(100, 7000).run(1000, 10_000);

        assertThat(timeMillis(reports)).isEqualTo(100);
    }

    @Test
    void isEmptyWhenTheSeriesEndsBeforeTheSecondIsFull() {
        assertThat(time(afterRequest(100).run(990, 10_000))).isEmpty();
        assertThat(Responsiveness.timeToResponsiveness(REQUEST, BASELINE, WorkRate.of(List.of())))
                .isEmpty();
    }

    @Test
    void doesNotDependOnWhenItIsLookedAt() {
        SyntheticReports reports =
                afterRequest(300).run(400, 2000).run(1500, 10_000).stall(300).run(700, 10_000);

        List<TimedReport> all = reports.list();
        for (int seen = 1; seen <= all.size(); seen++) {
            Optional<Duration> time =
                    Responsiveness.timeToResponsiveness(REQUEST, BASELINE, WorkRate.of(all.subList(0, seen)));
            assertThat(time).isIn(Optional.empty(), time(reports));
        }
    }

    @Test
    void ignoresReportsOfTheTimeBeforeTheRequest() {
        SyntheticReports reports = new SyntheticReports(REQUEST - 2_000_000_000L)
                .run(2000, 10_000)
                .stall(500)
                .run(1500, 10_000);

        assertThat(timeMillis(reports)).isBetween(450L, 500L);
    }

    @Test
    void needsThreeWindowsOfTwoSeconds() {
        SyntheticReports reports = afterRequest(300).run(6000, 10_000);
        List<TimedReport> all = reports.list();

        assertThat(timeOfLongWindows(all)).hasValue(Duration.ofMillis(300));
        assertThat(timeOfLongWindows(all.subList(0, all.size() - 1))).isEmpty();
        assertThat(Responsiveness.holdNanos(1_000_000_000)).isEqualTo(5_000_000_000L);
        assertThat(Responsiveness.holdNanos(500_000_000)).isEqualTo(5_000_000_000L);
        assertThat(Responsiveness.holdNanos(WorkRate.WINDOW_NANOS)).isEqualTo(1_000_000_000);
    }

    @Test
    void tellsHundredthsOfASecondWithWindowsOfTwoSeconds() {
        List<TimedReport> sooner =
                afterRequest(300).run(3000, 1000).run(8000, 10_000).list();
        List<TimedReport> later =
                afterRequest(300).run(3010, 1000).run(8000, 10_000).list();

        Duration first = timeOfLongWindows(sooner).orElseThrow();
        // As much earlier as the share of a second that may be missing in six of them.
        assertThat(first.toMillis()).isBetween(2630L, 3300L);
        assertThat(timeOfLongWindows(later)).hasValue(first.plusMillis(10));
    }

    private static Optional<Duration> timeOfLongWindows(List<TimedReport> reports) {
        return Responsiveness.timeToResponsiveness(REQUEST, BASELINE, WorkRate.of(reports, 2_000_000_000L));
    }

    @Test
    void refusesABaselineThatIsNoRate() {
        WorkRate rate = afterRequest(0).rate();

        assertThatThrownBy(() -> Responsiveness.timeToResponsiveness(REQUEST, Double.NaN, rate))
                .hasMessage("baseline is NaN iterations per second, it must be above 0");
    }

    private static SyntheticReports afterRequest(long millis) {
        return new SyntheticReports(REQUEST + millis * 1_000_000);
    }

    private static Optional<Duration> time(SyntheticReports reports) {
        return Responsiveness.timeToResponsiveness(REQUEST, BASELINE, reports.rate());
    }

    private static long timeMillis(SyntheticReports reports) {
        return time(reports).orElseThrow().toMillis();
    }
}
