package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class BackgroundOptionsTest {
    @Test
    void aGuestWithLittleMemorySprintsUnlessItsRateIsLimited() {
        long pages = (1L << 31) / 4096;

        assertThat(BackgroundOptions.DEFAULT.forPages(pages).isRestless()).isTrue();
        assertThat(BackgroundOptions.DEFAULT.forPages(pages + 1).isRestless()).isFalse();
        assertThat(BackgroundOptions.DEFAULT
                        .withRateBytesPerSecond(1)
                        .forPages(pages)
                        .isRestless())
                .isFalse();
    }

    @Test
    void aBackgroundThatIsOffStaysOffInASprint() {
        assertThat(BackgroundOptions.DEFAULT.off().forPages(1).on()).isFalse();
    }

    @Test
    void refusesWhatCannotBe() {
        BackgroundOptions usual = BackgroundOptions.DEFAULT;

        assertThatThrownBy(() -> usual.withWindow(0, 64, 1))
                .hasMessageStartingWith("background window is 0 to 64 pages");
        assertThatThrownBy(() -> usual.withWindow(1, 64, 0)).hasMessageStartingWith("background duty is 0.0");
        assertThatThrownBy(() -> usual.withRateBytesPerSecond(-1)).hasMessageContaining("cannot be negative");
    }
}
