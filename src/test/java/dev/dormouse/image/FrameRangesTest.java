package dev.dormouse.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FrameRangesTest {
    private static final long SEED = Long.getLong("dormouse.seed", 42);
    private static final List<RamBlock> BLOCKS = List.of(new RamBlock("ram", ImageFormat.FRAMES_MAX * 4096));

    @TempDir
    Path directory;

    @Test
    void holdsWhatWasAdded() {
        var random = new SplittableRandom(SEED);
        var expected = new BitSet();
        var builder = FrameRanges.builder();
        for (int frame = 0; frame < 10_000; frame++) {
            if (random.nextInt(3) == 0) {
                expected.set(frame);
                builder.add(frame);
            }
        }

        FrameRanges ranges = builder.build();

        var found = new BitSet();
        ranges.forEach(frame -> found.set((int) frame));
        assertThat(found).as("seed %d", SEED).isEqualTo(expected);
        assertThat(ranges.frameCount()).isEqualTo(expected.cardinality());
        for (int frame = -1; frame < 10_001; frame++) {
            assertThat(ranges.contains(frame)).isEqualTo(frame >= 0 && expected.get(frame));
        }
    }

    @Test
    void joinsWhatTouches() {
        FrameRanges ranges =
                FrameRanges.builder().add(1).addRange(2, 5).add(6).add(8).build();

        assertThat(ranges).hasToString("7 frames in 2 ranges");
        assertThat(ranges.first(0)).isEqualTo(1);
        assertThat(ranges.last(0)).isEqualTo(6);
        assertThat(ranges).isEqualTo(FrameRanges.of(1, 2, 3, 4, 5, 6, 8)).isNotEqualTo(FrameRanges.EMPTY);
    }

    @Test
    void refusesWhatDoesNotAscend() {
        var builder = FrameRanges.builder().addRange(3, 5);

        assertThatThrownBy(() -> builder.add(5)).hasMessage("frame 5 after frame 5");
        assertThatThrownBy(() -> builder.addRange(9, 8))
                .hasMessage("frames 9 to 8, ascending ones below 2147483648 are allowed");
        assertThatThrownBy(() -> builder.add(-1)).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> builder.add(1L << 31)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void refusesGroupsThatRepeatAFrameOrGoBackInTime() {
        var one = new WorkingSet.Group(1, FrameRanges.of(1, 2, 9));
        var two = new WorkingSet.Group(2, FrameRanges.of(3, 9));

        assertThatThrownBy(() -> new WorkingSet(List.of(one, two))).hasMessage("frame 9 stands in two groups");
        assertThatThrownBy(() -> new WorkingSet(List.of(two, one)))
                .hasMessage("groups of frames do not ascend in time");
        assertThatThrownBy(() -> new WorkingSet(List.of())).hasMessage("0 groups of frames, 1 to 4096 are allowed");
        assertThatThrownBy(() -> new WorkingSet.Group(0, FrameRanges.EMPTY)).hasMessage("a group without frames");
        assertThatThrownBy(() -> new WorkingSet.Group(1L << 32, FrameRanges.of(1)))
                .hasMessage("a group begins after 4294967296 ms, 0 to 4294967295 is allowed");
    }

    @Test
    void survivesTheFile() throws IOException {
        var random = new SplittableRandom(SEED);
        List<WorkingSet.Group> groups = new ArrayList<>();
        for (int group = 0; group < 50; group++) {
            var frames = FrameRanges.builder();
            for (long frame = group; frame < ImageFormat.FRAMES_MAX; frame += 50L * random.nextInt(1, 2_000_000)) {
                frames.add(frame);
            }
            groups.add(new WorkingSet.Group(group * 77L, frames.build()));
        }
        var set = new WorkingSet(groups);
        var all = FrameRanges.builder().addRange(0, ImageFormat.FRAMES_MAX - 1).build();
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, BLOCKS)) {
            assertThat(writer.setWorkingSet(set)).isTrue();
            assertThat(writer.setHeatOrder(all)).isTrue();
            writer.publish();
        }

        try (var image = ImageReader.open(file)) {
            assertThat(image.workingSet()).as("seed %d", SEED).contains(set);
            assertThat(image.heatOrder()).contains(all);
        }
    }

    @Test
    void leavesOutAHintThatIsTooLarge() throws IOException {
        var frames = FrameRanges.builder();
        for (long frame = 0; frame < 3 << 21; frame += 2) {
            frames.add(frame);
        }
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, BLOCKS)) {
            assertThat(writer.setHeatOrder(frames.build())).isFalse();
            writer.publish();
        }

        try (var image = ImageReader.open(file)) {
            assertThat(image.heatOrder()).isEmpty();
        }
    }

    @Test
    void refusesFramesThatTheImageDoesNotHave() throws IOException {
        try (var writer = ImageWriter.create(directory.resolve("vm.img"), List.of(new RamBlock("ram", 8192)))) {
            assertThatThrownBy(() -> writer.setHeatOrder(FrameRanges.of(2)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("frame 2 of an image that has 2");
        }
    }

    @Test
    void doesNotPublishAPageBeyondItsDisk() throws IOException {
        try (var writer = ImageWriter.create(directory.resolve("vm.img"), List.of(new RamBlock("ram", 8192)))) {
            writer.setDiskBlockCounts(100);
            writer.addOnDisk(0, 1, 0, 100, 1);

            assertThatThrownBy(writer::publish)
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("frame 1 is block 100 of disk 0, the disks have [100] blocks");
        }
        assertThat(directory).isEmptyDirectory();
    }
}
