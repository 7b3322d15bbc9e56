package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.RehearsalWatch.Seen;
import org.junit.jupiter.api.Test;

/// Which guests are taken to want all of their memory.
class RehearsalSeenTest {
    private static final long MILLIS = 20_000;

    @Test
    void oneThatHasWhatItWantsWantsThat() {
        var seen = new Seen(MILLIS, 30_000, 100_000, 20);

        assertThat(seen.asksOn()).isFalse();
        assertThat(seen.wantedShare()).isEqualTo(0.3);
    }

    @Test
    void oneThatHasAskedForMuchAndAsksOnWantsAll() {
        assertThat(new Seen(MILLIS, 10_000, 100_000, 1000).wantedShare()).isEqualTo(1);
        assertThat(new Seen(MILLIS, 9_000, 100_000, 1000))
                .satisfies(seen -> assertThat(seen.asksOn()).isTrue())
                .satisfies(seen -> assertThat(seen.wantedShare()).isEqualTo(0.09));
    }

    @Test
    void oneThatWaitsMuchOfItsTimeWantsAll() {
        assertThat(new Seen(MILLIS, 4_000, 100_000, 1750).wantedShare()).isEqualTo(1);
        assertThat(new Seen(MILLIS, 3_900, 100_000, 1750).wantedShare())
                .as("of a guest so large that all of it would take long")
                .isEqualTo(0.039);
    }

    @Test
    void moreThanASetHoldsIsNotAll() {
        assertThat(new Seen(MILLIS, 70_000, 1_000_000, 0).asksOn()).isTrue();
    }
}
