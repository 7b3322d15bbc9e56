package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What every [PagePlacer] does. A subclass says what is in the memory behind it.
@Timeout(30)
abstract class PagePlacerContract {
    static final int PAGE = RamBlock.TARGET_PAGE_BYTES;
    /// `rom` and `tables` have equal lengths, as on every default machine.
    static final RamLayout LAYOUT = new RamLayout(List.of(
            new RamBlock("ram", 40 * PAGE),
            new RamBlock("vram", 24 * PAGE),
            new RamBlock("rom", 16 * PAGE),
            new RamBlock("tables", 16 * PAGE)));
    static final long VRAM = 40;
    static final long ROM = 64;
    static final long TABLES = 80;
    private static final byte[] ZEROES = new byte[PAGE];

    private final Random random = new Random(11);
    private final Map<Long, byte[]> expected = new TreeMap<>();

    abstract PagePlacer placer() throws Exception;

    /// {@return the pages that have arrived, by frame}
    abstract Map<Long, byte[]> arrived() throws Exception;

    /// {@return a direct buffer with other bytes around random pages, which are expected from the frame on}
    final ByteBuffer pages(long frame, int count) {
        var bytes = new byte[count * PAGE];
        random.nextBytes(bytes);
        for (int i = 0; i < count; i++) {
            expected.put(frame + i, Arrays.copyOfRange(bytes, i * PAGE, (i + 1) * PAGE));
        }
        ByteBuffer buffer = ByteBuffer.allocateDirect((count + 2) * PAGE);
        return buffer.put(PAGE, bytes).position(PAGE).limit((count + 1) * PAGE);
    }

    final void place(long frame, int count) throws Exception {
        placer().place(frame, pages(frame, count));
    }

    final void placeZero(long frame) throws Exception {
        placer().placeZeroes(frame, 1);
        expected.put(frame, ZEROES);
    }

    /// Every page that was placed is there, and no other one is.
    final void assertAllThere() throws Exception {
        Map<Long, byte[]> arrived = arrived();
        assertThat(arrived.keySet()).isEqualTo(expected.keySet());
        arrived.forEach(
                (frame, page) -> assertThat(page).as("page of frame %d", frame).isEqualTo(expected.get(frame)));
    }

    @Test
    void placesAPageInEachBlock() throws Exception {
        for (long frame : new long[] {3, VRAM + 23, ROM, TABLES + 15}) {
            place(frame, 1);
        }
        placer().flush();

        assertAllThere();
    }

    @Test
    void placesSeveralPagesInOneCall() throws Exception {
        place(8, 16);
        place(ROM + 2, 5);
        place(0, 8);
        placer().flush();

        assertAllThere();
    }

    @Test
    void placesPagesOnBothSidesOfABlocksEnd() throws Exception {
        place(VRAM - 2, 5);
        place(ROM - 1, 2);
        place(TABLES - 3, 7);
        placer().flush();

        assertAllThere();
    }

    @Test
    void placesPagesAcrossAWholeBlock() throws Exception {
        place(VRAM - 1, 45);
        placer().flush();

        assertAllThere();
    }

    @Test
    void placesPagesOfZeros() throws Exception {
        placeZero(5);
        placeZero(VRAM);
        placeZero(ROM + 1);
        place(6, 1);
        placer().flush();

        assertAllThere();
    }

    @Test
    void hasReadThePagesWhenItReturns() throws Exception {
        for (long frame : new long[] {1, ROM + 1}) {
            ByteBuffer pages = pages(frame, 2);
            placer().place(frame, pages);
            assertThat(pages.position()).isEqualTo(PAGE);
            assertThat(pages.remaining()).isEqualTo(2 * PAGE);
            for (int i = 0; i < pages.capacity(); i++) {
                pages.put(i < pages.limit() ? i : 0, (byte) 0x55);
            }
        }
        placer().flush();

        assertAllThere();
    }

    @Test
    void flushesWhatCameSinceTheLastFlushAndNothingTwice() throws Exception {
        place(1, 1);
        place(ROM, 1);
        placer().flush();
        placer().flush();
        assertAllThere();

        placeZero(ROM + 4);
        placer().flush();
        assertAllThere();
    }

    @Test
    void findsNothingMissingOfWhatItHasPlaced() throws Exception {
        var placed = new FrameSet(LAYOUT.frameCount());
        for (long frame : new long[] {1, VRAM, ROM, TABLES}) {
            place(frame, 1);
            placed.add(frame);
        }
        placer().flush();

        placer().audit(0, (int) LAYOUT.frameCount(), placed, frame -> {
            throw new AssertionError("frame " + frame + " is said to be missing");
        });
    }
}
