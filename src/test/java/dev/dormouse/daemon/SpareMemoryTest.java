package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SpareMemoryTest {
    private static final long MEBIBYTE = 1 << 20;

    private boolean resting = true;
    private long used;
    private long needed;
    private int collections;
    private final SpareMemory memory = new SpareMemory(() -> resting, () -> used, () -> {
        collections++;
        used = needed;
    });

    private void look(int times) {
        for (int i = 0; i < times; i++) {
            memory.look();
        }
    }

    @Test
    void whatACaptureHasLeftIsGivenBackOnceTheDaemonRests() {
        look(10);
        used = 50 * MEBIBYTE;
        resting = false;
        look(10);
        assertThat(collections).isZero();

        resting = true;
        look(4);
        assertThat(collections).isZero();
        look(10);
        assertThat(collections).isEqualTo(1);
    }

    @Test
    void whatIsNeededIsNotLookedThroughAgainAndAgain() {
        used = 50 * MEBIBYTE;
        needed = 40 * MEBIBYTE;
        look(100);
        assertThat(collections).isEqualTo(1);

        used = 55 * MEBIBYTE;
        look(100);
        assertThat(collections).isEqualTo(1);

        used = 56 * MEBIBYTE;
        look(100);
        assertThat(collections).isEqualTo(2);
    }
}
