package dev.dormouse.restore;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;

class MemoryRangesTest {
    private final MemoryRanges ranges = new MemoryRanges(Arena.ofAuto());

    @Test
    void joinsWhatFollowsTheLastOneOnly() {
        ranges.add(0x1000, 0x100);
        ranges.add(0x1100, 0x20);
        ranges.add(0x1000, 0x10);
        ranges.add(0x2000, 0x40);

        assertThat(ranges.vector().toArray(JAVA_LONG)).containsExactly(0x1000, 0x120, 0x1000, 0x10, 0x2000, 0x40);
    }

    @Test
    void beginsAnewWhenCleared() {
        ranges.add(0x1000, 0x100);
        ranges.clear();
        assertThat(ranges.vector().byteSize()).isZero();

        ranges.add(0x1100, 0x20);

        assertThat(ranges.vector().toArray(JAVA_LONG)).containsExactly(0x1100, 0x20);
    }

    @Test
    void isFullAtItsLimitAndStillJoins() {
        for (int i = 0; i < MemoryRanges.COUNT_MAX; i++) {
            assertThat(ranges.isFull()).isFalse();
            ranges.add(0x1000L * i, 0x800);
        }

        assertThat(ranges.isFull()).isTrue();
        ranges.add(0x1000L * MemoryRanges.COUNT_MAX - 0x800, 0x10);
        assertThat(ranges.vector().byteSize()).isEqualTo(16L * MemoryRanges.COUNT_MAX);
        assertThatThrownBy(() -> ranges.add(0, 1)).hasMessage("more than 512 ranges");
    }
}
