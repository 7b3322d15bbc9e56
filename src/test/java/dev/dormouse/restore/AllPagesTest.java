package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.image.ImageReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// [AllPages] from an image whose buffers are used again, and what it tells storage ahead.
@Timeout(30)
class AllPagesTest {
    private static final int FRAMES = 6000;
    private static final int BLOCKS = 2000;

    @TempDir
    Path folder;

    @Test
    void theBuffersOfAllPagesStayUntilTheyAreSettled() throws Exception {
        var sample = new SampleImage(folder, FRAMES, BLOCKS);
        sample.stored(0, 3000).duplicate(3100, 7).onDisk(4000, 0, 1500);
        var placer = new GatheringPlacer(sample);
        try (ImageReader reader = sample.write();
                var source = new ImagePageSource(
                        SavedPages.of(reader, null), new ImageDisks(reader, _ -> new RawFileView(sample.disk)))) {
            new AllPages(source, new RestoreListener() {}).placeAll(placer);
        }

        assertThat(placer.gathered).as("not settled").isEmpty();
        assertThat(placer.placed.cardinality()).isEqualTo(sample.pages.size());
    }

    @Test
    void storageIsToldOfEachGroupThatIsWanted() throws Exception {
        var source = new MemorySource(1000 * MemorySource.GROUP_FRAMES);
        long end = 500L * MemorySource.GROUP_FRAMES;

        new AllPages(source, new RestoreListener() {}).place(new RecordingPlacer(32_000), frame -> frame < end);

        assertThat(source.hinted.nextClearBit(0)).isEqualTo(500);
        assertThat(source.hinted.cardinality()).isEqualTo(500);
    }

    @Test
    void storageIsNotToldAheadWhereAGuestIsAboutToDemandPages() throws Exception {
        var source = new MemorySource(100 * MemorySource.GROUP_FRAMES);
        var groups = new BitSet();
        groups.set(0, 100);

        new AllPages(source, new RestoreListener() {})
                .placeReadable(new RecordingPlacer(3200), groups, _ -> true, false, () -> true);

        assertThat(source.hinted.isEmpty()).isTrue();
    }

    /// Looks at what it was given as late as it may.
    private static final class GatheringPlacer implements PagePlacer {
        final BitSet placed = new BitSet();
        final List<Run> gathered = new ArrayList<>();
        private final SampleImage sample;

        GatheringPlacer(SampleImage sample) {
            this.sample = sample;
        }

        private record Run(long frame, ByteBuffer pages) {}

        @Override
        public void place(long frame, ByteBuffer pages) {
            gathered.add(new Run(frame, pages));
        }

        @Override
        public void settle() {
            for (Run run : gathered) {
                for (int i = 0; i * SampleImage.PAGE < run.pages.limit(); i++) {
                    var page = new byte[SampleImage.PAGE];
                    run.pages.get(i * SampleImage.PAGE, page);
                    int frame = (int) run.frame + i;
                    assertThat(page).as("frame %d", frame).isEqualTo(sample.pages.get((long) frame));
                    assertThat(placed.get(frame)).as("twice").isFalse();
                    placed.set(frame);
                }
            }
            gathered.clear();
        }

        @Override
        public void placeZeroes(long frame, int count) {}

        @Override
        public void flush() throws IOException {
            settle();
        }
    }
}
