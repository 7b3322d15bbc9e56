package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class IdleRuleTest {
    private static final long START = 5_000_000_000L;
    private final IdleRule rule = new IdleRule(new IdlePolicy(10, 20, 30, false), 1, 0, START);
    private long cpuNanos;

    /// Looks once a second.
    ///
    /// @param usedPercent of a processor since the last look
    private boolean look(int second, int usedPercent, int clients, int clientSecond) {
        cpuNanos += usedPercent * 10_000_000L;
        return rule.look(cpuNanos, clients, time(clientSecond), time(second));
    }

    private static long time(int second) {
        return START + TimeUnit.SECONDS.toNanos(second);
    }

    @Test
    void isIdleOnceItHasRestedLongEnoughAndWasAwakeLongEnough() {
        for (int second = 1; second < 30; second++) {
            assertThat(look(second, 1, 0, -1000)).as("second %d", second).isFalse();
        }
        assertThat(look(30, 1, 0, -1000)).isTrue();
    }

    @Test
    void aGuestThatWorksIsNotIdle() {
        for (int second = 1; second <= 100; second++) {
            assertThat(look(second, second % 9 == 0 ? 90 : 1, 0, -1000)).isFalse();
        }
    }

    @Test
    void aClientKeepsItAwakeAndItRestsFromWhenTheLastOneWent() {
        for (int second = 1; second <= 60; second++) {
            assertThat(look(second, 0, 1, 1)).isFalse();
        }
        for (int second = 61; second < 70; second++) {
            assertThat(look(second, 0, 0, 60)).as("second %d", second).isFalse();
        }
        assertThat(look(70, 0, 0, 60)).isTrue();
    }

    @Test
    void aClientThatOnlyCameAndWentBetweenTwoLooksCounts() {
        for (int second = 1; second <= 40; second++) {
            look(second, 0, 0, -1000);
        }
        assertThat(look(41, 0, 0, 40)).isFalse();
        assertThat(look(51, 0, 0, 40)).isTrue();
    }

    @Test
    void afterATryItRestsAsLongAgain() {
        for (int second = 1; second < 30; second++) {
            look(second, 0, 0, -1000);
        }
        assertThat(look(30, 0, 0, -1000)).isTrue();
        rule.tried(time(30));
        assertThat(look(39, 0, 0, -1000)).isFalse();
        assertThat(look(40, 0, 0, -1000)).isTrue();
    }
}
