package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.NetworkUse;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class IdleRuleTest {
    private static final long START = 5_000_000_000L;
    private final IdleRule rule = new IdleRule(new IdlePolicy(10, 20, 50, 30, false), 1, 0, START);
    private long cpuNanos;
    private Optional<NetworkUse> network = Optional.of(new NetworkUse(Map.of())); // It has no card.

    /// Looks once a second.
    ///
    /// @param usedPercent of a processor since the last look
    private boolean look(int second, int usedPercent, int clients, int clientSecond) {
        cpuNanos += usedPercent * 10_000_000L;
        return rule.look(cpuNanos, () -> network, clients, time(clientSecond), time(second) - START, time(second));
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

    /// @return whether it is idle by the second after 100, sending so many packets in each second before
    private boolean isIdleSending(int packetsPerSecond) {
        boolean idle = false;
        for (int second = 1; second <= 100; second++) {
            int sent = packetsPerSecond * second + 65_000;
            network = Optional.of(new NetworkUse(Map.of("card 0", 7, "card 1", sent & 0xffff)));
            idle |= look(second, 1, 0, -1000);
        }
        return idle;
    }

    @Test
    void aGuestThatSendsIsNotIdle() {
        assertThat(isIdleSending(51)).isFalse();
    }

    @Test
    void aGuestThatSendsLittleIsIdle() {
        assertThat(isIdleSending(49)).isTrue();
    }

    @Test
    void whatCannotBeToldIsNotIdle() {
        network = Optional.empty();
        for (int second = 1; second <= 100; second++) {
            assertThat(look(second, 1, 0, -1000)).isFalse();
        }
    }

    @Test
    void itsNetworkRestsBeforeItIsIdle() {
        for (int second = 1; second <= 60; second++) {
            network = Optional.of(new NetworkUse(Map.of("card", Math.min(second, 50) * 1000 & 0xffff)));
            assertThat(look(second, 1, 0, -1000)).as("second %d", second).isFalse();
        }
        assertThat(look(80, 1, 0, -1000)).isTrue();
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
