package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.Command;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What goes before the guest runs, and that QEMU forgets what did not.
class EarlyPagesTest {
    private static final int REGION = 512;
    private static final int LARGE = 256 * REGION;
    private static final int SMALL = 64;
    private static final int FRAMES = LARGE + SMALL;
    private static final int ZEROES_FROM = 5000;
    private static final int ZEROES_END = 20_000;
    private static final int DENSE_FROM = 100 * REGION;
    private static final int DENSE_END = 140 * REGION;

    private final MemorySource source = new MemorySource(FRAMES).withZeroes(ZEROES_FROM, ZEROES_END);
    private final RamLayout layout = new RamLayout(List.of(
            new RamBlock("pc.ram", (long) LARGE * RamBlock.TARGET_PAGE_BYTES),
            new RamBlock("pc.bios", (long) SMALL * RamBlock.TARGET_PAGE_BYTES)));
    private final FrameSet sent = new FrameSet(FRAMES);
    private final RecordingPlacer placer = new RecordingPlacer(FRAMES);

    @BeforeEach
    void sendBios() {
        for (long frame = LARGE; frame < FRAMES; frame++) {
            sent.add(frame);
        }
    }

    @Test
    void everythingIsEachPageButTheSample() throws IOException {
        WorkingSetTrial trial = WorkingSetTrial.ofEverything(set(1), source, new Random(3));

        send(EarlyPages.everything(layout, source, trial, sent));

        int left = 0;
        for (long frame = 0; frame < LARGE; frame++) {
            boolean sampled = trial.isSampled(source.group(frame));
            assertThat(placer.contains(frame)).isEqualTo(!sampled && !source.isZero(frame));
            left += sampled && !source.isZero(frame) ? 1 : 0;
        }
        assertThat(left).as("the sample").isBetween(LARGE / 200, LARGE / 25);
    }

    @Test
    void denseRegionsOfTheSetAreSentWholeAndNothingElse() throws IOException {
        // Three of four frames of some regions, and a few of each other one.
        int[] frames = IntStream.range(0, LARGE)
                .filter(frame -> (frame >= DENSE_FROM && frame < DENSE_END) ? frame % 4 != 0 : frame % 10 == 0)
                .toArray();
        var trial = new WorkingSetTrial(set(frames), source, 0, new Random(3));

        send(EarlyPages.dense(layout, source, trial, sent, new Random(4)));

        int whole = 0;
        for (int start = 0; start < LARGE; start += REGION) {
            int pages = 0;
            for (long frame = start; frame < start + REGION; frame++) {
                pages += placer.contains(frame) ? 1 : 0;
                assertThat(placer.contains(frame) && trial.isHeldBack(frame)).isFalse();
            }
            assertThat(pages).as("region %d", start / REGION).isIn(0, REGION);
            assertThat(pages == 0 || (start >= DENSE_FROM && start < DENSE_END)).isTrue();
            whole += pages / REGION;
        }
        assertThat(whole).as("but for those that tell of what use the set is").isBetween(32, 40);
    }

    @Test
    void takesAPageBackIfNothingIsLeft() throws IOException {
        WorkingSetTrial trial = WorkingSetTrial.ofEverything(set(1), source, new Random(3));
        EarlyPages early = EarlyPages.everything(layout, source, trial, sent);
        for (long frame = 0; frame < LARGE; frame++) {
            sent.add(frame);
        }

        List<Command.PostcopyDiscard> discards = early.discards();

        assertThat(discards).hasSize(1);
        assertThat(sent.contains(0)).isFalse();
    }

    /// Sends, and looks whether what is not zero is either sent or discarded.
    private void send(EarlyPages early) throws IOException {
        early.send(placer, new RestoreListener() {});
        assertThat(placer.isAllFlushed()).isTrue();
        Set<Long> discarded = discarded(early.discards());
        for (long frame = 0; frame < LARGE; frame++) {
            assertThat(sent.contains(frame)).isEqualTo(placer.contains(frame));
            if (!source.isZero(frame)) {
                assertThat(discarded.contains(frame)).as("frame %d", frame).isEqualTo(!sent.contains(frame));
            }
        }
    }

    private static Set<Long> discarded(List<Command.PostcopyDiscard> discards) {
        Set<Long> discarded = new HashSet<>();
        for (Command.PostcopyDiscard discard : discards) {
            assertThat(discard.block())
                    .as("what was sent of the small block stays")
                    .isEqualTo("pc.ram");
            for (Command.Range range : discard.ranges()) {
                for (long at = 0; at < range.lengthBytes(); at += RamBlock.TARGET_PAGE_BYTES) {
                    assertThat(discarded.add((range.offset() + at) / RamBlock.TARGET_PAGE_BYTES))
                            .isTrue();
                }
            }
        }
        return discarded;
    }

    private static WorkingSet set(int... frames) {
        return new WorkingSet(FRAMES, new int[][] {frames, {}, {}, {}});
    }
}
