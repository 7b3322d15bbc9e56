package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Times are milliseconds from the origin, which is not 0: a clock in nanoseconds may begin anywhere.
@Timeout(value = 20, unit = TimeUnit.SECONDS)
class ResponsivenessEstimateTest {
    private static final long ORIGIN = -7_000_000_000_123L;
    private static final int BUCKET = (int) (ResponsivenessEstimate.BUCKET_NANOS / 1_000_000);
    private static final long NEVER = Long.MIN_VALUE;

    private long ran;
    private final ResponsivenessEstimate estimate = new ResponsivenessEstimate(() -> ran, ORIGIN);

    private static long nanos(long millis) {
        return ORIGIN + millis * 1_000_000;
    }

    private void runsAt(long millis) {
        ran = nanos(millis);
    }

    private void stalled(long from, long until) {
        estimate.stalled(nanos(from), nanos(until));
    }

    private void passed(long until) {
        estimate.passed(nanos(until));
    }

    private long reached() {
        Long reached = estimate.nanos();
        return reached == null ? NEVER : (reached - ORIGIN) / 1_000_000;
    }

    @Test
    void withoutDemandsItIsRunItselfOnceASecondHasPassed() {
        passed(100);
        runsAt(133);
        passed(1100);
        assertThat(reached()).isEqualTo(NEVER);

        passed(1140);

        assertThat(reached()).isEqualTo(133);
    }

    @Test
    void whatWasStalledBeforeRunDoesNotCount() {
        stalled(0, 900); // Devices are being loaded.
        runsAt(950);
        stalled(960, 970);
        passed(2000);

        assertThat(reached()).isEqualTo(950);
    }

    @Test
    void lessThanATenthOfASecondIsNoReasonToWait() {
        runsAt(20);
        for (int at = 40; at < 1020; at += 100) {
            stalled(at, at + 9);
        }
        passed(1040);

        assertThat(reached()).isEqualTo(20);
    }

    @Test
    void aTenthOfASecondIs() {
        runsAt(20);
        for (int at = 40; at < 1020; at += 100) {
            stalled(at, at + 10);
        }
        passed(1100);

        assertThat(reached()).isGreaterThan(40);
    }

    @Test
    void afterALongStallItIsWhenLessThanATenthOfASecondOfItIsLeft() {
        runsAt(20);
        stalled(40, 540);
        passed(3000);

        assertThat(reached()).isBetween(441L, 441L + BUCKET);
    }

    @ParameterizedTest
    @ValueSource(longs = {1_900, 2_000, 2_017, 30_000, 3_600_000, 100L * 365 * 24 * 3_600_000})
    void aStallMayTakeAsLongAsItLikes(long millis) {
        runsAt(20);
        stalled(40, 40 + millis);
        passed(40 + millis + 3000);

        assertThat(reached()).isBetween(40 + millis - 99, 40 + millis - 99 + BUCKET);
    }

    @Test
    void stallsOfSeveralProcessorsAtOnceCountOnce() {
        runsAt(20);
        for (int i = 0; i < 8; i++) {
            stalled(100 + i, 150 + i); // Answered one after the other, as they were asked.
        }
        passed(2000);

        assertThat(reached()).isEqualTo(20);
    }

    @Test
    void aBurstIsOver() {
        runsAt(0);
        for (int at = 0; at < 700; at += 2) {
            stalled(at, at + 1);
        }
        passed(5000);

        assertThat(reached()).isBetween(500L, 500L + BUCKET);
    }

    @Test
    void aSecondWithoutStallsIsEnoughWhateverComesBehindIt() {
        runsAt(0);
        stalled(10, 300);
        stalled(1600, 2600);
        passed(5000);

        assertThat(reached()).isBetween(200L, 200L + BUCKET);
    }

    @Test
    void aPauseOfLessThanASecondIsNot() {
        runsAt(0);
        stalled(10, 300);
        stalled(1000, 1500);
        passed(5000);

        assertThat(reached()).isBetween(1401L, 1401L + BUCKET);
    }

    @Test
    void aGuestThatRunsLateIsWaitedFor() {
        passed(3_600_000L);
        assertThat(reached()).isEqualTo(NEVER);
        runsAt(3_600_010);
        stalled(3_600_020, 3_600_220);
        passed(3_605_000);

        assertThat(reached()).isBetween(3_600_120L, 3_600_121L + BUCKET);
    }

    @Test
    void runMayBeHeardOfBehindAStallInWhichItHappened() {
        stalled(100, 200);
        runsAt(150); // The event comes a little later.
        stalled(230, 330);
        passed(3000);

        assertThat(reached()).isBetween(221L, 241L + BUCKET);
    }

    @Test
    void aPageThatCannotBeReadStallsUntilItIsThere() {
        runsAt(0);
        estimate.waits(nanos(50));
        assertThat(estimate.isWaiting()).isTrue();
        stalled(60, 61); // Others go on.
        passed(900);
        stalled(2000, 2001);
        assertThat(reached()).isEqualTo(NEVER);
        estimate.waitsNoMore(nanos(3000));
        assertThat(estimate.isWaiting()).isFalse();
        passed(5000);

        assertThat(reached()).isBetween(2901L, 2901L + BUCKET);
    }

    @Test
    void theEndOfTheRestoreClosesIt() {
        runsAt(20);
        stalled(40, 340);
        estimate.end(nanos(350));

        assertThat(reached()).isBetween(241L, 241L + BUCKET);
    }

    @Test
    void theEndIsAfterEveryStall() {
        runsAt(20);
        estimate.waits(nanos(30));
        estimate.end(nanos(500));

        assertThat(reached()).isBetween(401L, 401L + BUCKET);
        assertThat(estimate.isWaiting()).isFalse();
    }

    @Test
    void withoutDemandsTheEndIsNoLaterThanRun() {
        runsAt(20);
        estimate.end(nanos(25));

        assertThat(reached()).isEqualTo(20);
    }

    @Test
    void aRestoreThatEndsBeforeItsGuestRunsHasOnlyRunToWaitFor() {
        stalled(0, 300);
        estimate.end(nanos(310));

        assertThat(reached()).isEqualTo(310);
    }

    @Test
    void aRestoreThatIsCutOffHasNone() {
        runsAt(20);
        stalled(40, 340);
        passed(900);

        assertThat(reached()).isEqualTo(NEVER);
    }

    @Test
    void nothingChangesItAnyMore() {
        runsAt(20);
        passed(2000);
        stalled(2000, 9000);
        estimate.waits(nanos(9000));
        estimate.end(nanos(20_000));

        assertThat(reached()).isEqualTo(20);
    }

    @Test
    void aClockThatStandsStillOrDemandsThatAreOlderThanTheServerDoNoHarm() {
        estimate.stalled(nanos(-5000), nanos(-1));
        estimate.stalled(nanos(-5000), nanos(10));
        estimate.stalled(nanos(10), nanos(5));
        runsAt(-300); // Before demands were served.
        passed(10);
        passed(0);
        passed(2000);

        assertThat(reached()).isZero();
    }

    /// Against the definition, worked out with all of the past at hand.
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    void isWhatTheDefinitionSays(long seed) {
        var random = new Random(seed);
        for (int round = 0; round < 300; round++) {
            isWhatTheDefinitionSays(random);
        }
    }

    private static void isWhatTheDefinitionSays(Random random) {
        long[] now = {ORIGIN};
        long run = nanos(random.nextInt(2000));
        var estimate = new ResponsivenessEstimate(() -> now[0] >= run ? run : 0, ORIGIN);
        boolean[] isStalled = new boolean[40_000]; // By millisecond.
        int at = 0;
        int passed = 0;
        int shareMax = 1 + random.nextInt(40);
        for (int demands = random.nextInt(400); demands > 0 && at < 30_000; demands--) {
            int stall = random.nextInt(20) == 0 ? random.nextInt(4000) : random.nextInt(12);
            int begin = Math.max(passed, at - random.nextInt(5)); // It may have come while another one was served.
            at += stall;
            Arrays.fill(isStalled, Math.min(begin, at), at, true);
            now[0] = nanos(at);
            estimate.stalled(nanos(begin), nanos(at));
            int idle = random.nextInt(1 + stall * 100 / shareMax);
            for (int step = 1 + random.nextInt(30); idle > 0; idle -= step) {
                at += Math.min(step, idle);
                now[0] = nanos(at);
                estimate.passed(nanos(at));
                passed = at;
            }
        }
        if (nanos(at) < run) {
            at = (int) ((run - ORIGIN) / 1_000_000);
        }
        now[0] = nanos(at);
        estimate.end(nanos(at));

        Long reached = estimate.nanos();
        assertThat(reached).isNotNull();
        assertThat((reached - ORIGIN) / 1_000_000).isEqualTo(defined(isStalled, (int) ((run - ORIGIN) / 1_000_000)));
    }

    private static long defined(boolean[] isStalled, int run) {
        for (int first = run - run % BUCKET; ; first += BUCKET) {
            int sum = 0;
            for (int at = first; at < first + 1000; at++) {
                sum += at < isStalled.length && isStalled[at] ? 1 : 0;
            }
            if (sum < 100) {
                return Math.max(run, first);
            }
        }
    }
}
