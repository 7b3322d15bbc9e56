package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class BackgroundWindowTest {
    private static final BackgroundOptions OPTIONS = new BackgroundOptions(16, 64, 1000, 0.5, 0, 0, true);

    @Test
    void isShutForTheQuietTimeAfterADemand() {
        var window = new BackgroundWindow(OPTIONS, 0);

        assertThat(window.pages(999)).isZero();
        assertThat(window.shutNanos(400)).isEqualTo(600);
        assertThat(window.pages(1000)).isEqualTo(16);
        assertThat(window.shutNanos(2000)).isZero();
    }

    @Test
    void doublesUpToItsLimitAndRestsAsLongAsItWorked() {
        var window = new BackgroundWindow(OPTIONS, 0);

        window.onPlaced(16, 1000, 1300, false);

        assertThat(window.pages(1599)).isZero();
        assertThat(window.pages(1600)).isEqualTo(32);
        window.onPlaced(32, 1600, 1700, false);
        window.onPlaced(64, 1800, 1900, false);
        assertThat(window.pages(2000)).isEqualTo(64);
    }

    @Test
    void collapsesOnADemand() {
        var window = new BackgroundWindow(OPTIONS, 0);
        window.onPlaced(16, 1000, 1000, false);

        window.onDemand(1500);

        assertThat(window.pages(2499)).isZero();
        assertThat(window.pages(2500)).isEqualTo(16);
    }

    @Test
    void keepsToItsRate() {
        var options = OPTIONS.withRateBytesPerSecond(40_960_000); // A page in 0.1 ms.
        var window = new BackgroundWindow(options, 0);

        window.onPlaced(16, 1_000_000, 1_000_100, false);

        assertThat(window.pages(2_599_999)).isZero();
        assertThat(window.pages(2_600_000)).isEqualTo(32);
    }

    @Test
    void keepsToItsRateWhileTheGuestFaults() {
        var window = new BackgroundWindow(OPTIONS.withRateBytesPerSecond(40_960_000), 0);
        window.onPlaced(16, 1_000_000, 1_000_100, true);

        window.onDemand(1_100_000);

        assertThat(window.shutNanos(1_100_000)).isEqualTo(1_500_000);
        assertThat(window.pages(2_600_000)).isEqualTo(16);
    }

    @Test
    void takesAllOfTheTimeBesideAGuestThatRests() {
        var window = new BackgroundWindow(OPTIONS, 0);

        window.onPlaced(16, 1000, 1300, true);

        assertThat(window.pages(1300)).isEqualTo(32);
    }

    @Test
    void staysOpenAcrossAnOverflowOfTheClock() {
        var window = new BackgroundWindow(OPTIONS, Long.MAX_VALUE - 10);

        assertThat(window.pages(Long.MAX_VALUE)).isZero();
        assertThat(window.pages(Long.MIN_VALUE + 1000)).isEqualTo(16);
    }
}
