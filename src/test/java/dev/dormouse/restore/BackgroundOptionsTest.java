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
    void besideAGuestThatHasWhatItWantsItIsGentle() {
        BackgroundOptions gentle = BackgroundOptions.DEFAULT.forPages(1).gentle();

        assertThat(gentle.isGentle()).isTrue();
        assertThat(gentle.isRestless()).isFalse();
        assertThat(BackgroundOptions.DEFAULT.isGentle()).isFalse();
        assertThat(BackgroundOptions.DEFAULT.off().gentle().on()).isFalse();
        assertThat(BackgroundOptions.DEFAULT.withRateBytesPerSecond(7).gentle().rateBytesPerSecond())
                .isEqualTo(7);
        assertThat(BackgroundOptions.DEFAULT.withWindow(1, 1, 0.001).gentle())
                .isEqualTo(BackgroundOptions.DEFAULT
                        .withWindow(1, 1, 0.001)
                        .forPages(1L << 40)
                        .gentle());
    }

    @Test
    void onAnIdleProcessorItIsSteadyUnlessSomebodyHasMadeItSlower() {
        BackgroundOptions steady = BackgroundOptions.DEFAULT.forPages(1).steady();

        assertThat(steady.duty()).isEqualTo(1);
        assertThat(steady.isGentle()).isFalse();
        assertThat(steady.isRestless()).as("a demand has it pause").isFalse();
        assertThat(BackgroundOptions.DEFAULT.withWindow(1, 1, 0.1).steady().duty())
                .isEqualTo(0.1);
        assertThat(BackgroundOptions.DEFAULT.withRateBytesPerSecond(7).steady().rateBytesPerSecond())
                .isEqualTo(7);
        assertThat(BackgroundOptions.DEFAULT.off().steady().on()).isFalse();
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
