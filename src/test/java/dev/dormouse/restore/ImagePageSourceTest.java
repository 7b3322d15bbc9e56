package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import dev.dormouse.restore.PageSource.Reading;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Pages from an image and from the disk to which it refers, and what is said of a disk that was changed.
class ImagePageSourceTest {
    private static final int FRAMES = 1000;
    private static final int BLOCKS = 4000;

    @TempDir
    Path folder;

    private final List<AutoCloseable> open = new ArrayList<>();

    @AfterEach
    void close() throws Exception {
        for (AutoCloseable closeable : open.reversed()) {
            closeable.close();
        }
    }

    private <T extends AutoCloseable> T closing(T resource) {
        open.add(resource);
        return resource;
    }

    private ImagePageSource source(SampleImage sample, RawFileView disk) throws IOException {
        ImageReader reader = closing(sample.write());
        return closing(new ImagePageSource(SavedPages.of(reader, null), new ImageDisks(reader, _ -> disk)));
    }

    /// Pages of all classes, some of them runs on the disk, some scattered over it.
    private SampleImage mixed() throws IOException {
        var sample = new SampleImage(folder, FRAMES, BLOCKS);
        sample.stored(0, 100).duplicate(150, 7).onDisk(200, 1000, 200).onDisk(400, 30, 5);
        var random = new Random(7);
        for (long frame = 500; frame < 700; frame++) {
            sample.onDisk(frame, random.nextInt(BLOCKS), 1);
        }
        return sample;
    }

    private static List<Long> all(ImagePageSource source) {
        var frames = new ArrayList<Long>();
        for (int group = 0; group < source.groupCount(); group++) {
            for (int i = 0; i < source.frames(group).size(); i++) {
                frames.add(source.frames(group).get(i));
            }
        }
        return frames;
    }

    @Test
    void everyGroupCanBeReadEarlyBesideWhoeverReads() throws Exception {
        SampleImage sample = mixed();
        ImagePageSource source = source(sample, new RawFileView(sample.disk));
        try (EarlyReads _ = EarlyReads.start(source, null)) {
            for (long frame : all(source)) {
                assertPages(sample, frame, source.read(frame, 40, Reading.DEMAND), 40);
            }
        }

        long bytes = source.willNeed(0, source.groupCount());
        assertThat(bytes).isGreaterThan(4096L * 200); // The runs on the disk alone.
        assertThat(source.storageBytes()).isEqualTo(bytes);
    }

    @ParameterizedTest
    @EnumSource
    void readsEveryPageInAnyOrder(Reading reading) throws Exception {
        SampleImage sample = mixed();
        ImagePageSource source = source(sample, new RawFileView(sample.disk));
        List<Long> frames = all(source);
        Collections.shuffle(frames, new Random(1));

        assertThat(frames).containsExactlyInAnyOrderElementsOf(sample.pages.keySet());
        assertThat(source.nonZeroCount()).isEqualTo(sample.pages.size());
        for (long frame : frames) {
            assertPages(sample, frame, source.read(frame, 40, reading), 40);
        }
    }

    private static void assertPages(SampleImage sample, long first, ByteBuffer pages, int countMax) {
        int count = pages.remaining() / SampleImage.PAGE;
        assertThat(count).isBetween(1, countMax);
        for (int i = 0; i < count; i++) {
            var page = new byte[SampleImage.PAGE];
            pages.get(page);
            assertThat(page).isEqualTo(sample.pages.get(first + i));
        }
    }

    @Test
    void putsEveryFrameIntoTheGroupThatListsIt() throws Exception {
        SampleImage sample = mixed();
        ImagePageSource source = source(sample, new RawFileView(sample.disk));

        for (int group = 0; group < source.groupCount(); group++) {
            PageSource.FrameList frames = source.frames(group);
            assertThat(frames.size()).isPositive();
            for (int i = 0; i < frames.size(); i++) {
                assertThat(source.group(frames.get(i))).isEqualTo(group);
                assertThat(source.isZero(frames.get(i))).isFalse();
            }
        }
        assertThat(source.count(PageClass.STORED)).isEqualTo(100);
        assertThat(source.count(PageClass.DUPLICATE)).isEqualTo(1);
        assertThat(source.count(PageClass.ON_DISK)).isEqualTo(405);
        assertThat(source.count(PageClass.ZERO)).isEqualTo(FRAMES - 506);
    }

    @Test
    void readsTheDiskForwardInLargeRunsInTheBackground() throws Exception {
        SampleImage sample = mixed();
        var disk = new RawFileView(sample.disk);
        ImagePageSource source = source(sample, disk);

        for (long frame : all(source)) {
            source.read(frame, 1, Reading.BACKGROUND);
        }

        List<Long> starts = disk.reads.stream().map(RawFileView.Read::block).toList();
        assertThat(starts).isSorted();
        assertThat(disk.reads).contains(new RawFileView.Read(1000, 64)).hasSizeLessThan(200);
        assertThat(disk.reads).allMatch(read -> read.count() <= FrameGroups.RUN_BLOCKS_MAX);
    }

    @Test
    void readsInTheOrderInWhichTheBlocksLieOnTheHost() throws Exception {
        SampleImage sample =
                new SampleImage(folder, FRAMES, BLOCKS).onDisk(0, 0, 100).onDisk(200, 2000, 100);
        var disk = new RawFileView(sample.disk, block -> block < 1000 ? (block + 5000) << 12 : block << 12);
        ImagePageSource source = source(sample, disk);

        for (long frame : all(source)) {
            source.read(frame, 1, Reading.BACKGROUND);
        }

        assertThat(disk.reads)
                .containsExactly(
                        new RawFileView.Read(2000, 64),
                        new RawFileView.Read(2064, 36),
                        new RawFileView.Read(0, 64),
                        new RawFileView.Read(64, 36));
    }

    /// Positions and frame numbers that do not fit into 64 bits together cost order, nothing else.
    @Test
    void findsEveryPageWhateverPositionsADiskHas() throws Exception {
        SampleImage sample = mixed();
        var disk = new RawFileView(sample.disk, block -> Long.MAX_VALUE - block * 3);
        ImagePageSource source = source(sample, disk);

        assertThat(all(source)).containsExactlyInAnyOrderElementsOf(sample.pages.keySet());
        for (long frame : all(source)) {
            assertPages(sample, frame, source.read(frame, 40, Reading.BACKGROUND), 40);
        }
    }

    @Test
    void readsLittleForADemandAndHandsOutWhatCameWithIt() throws Exception {
        SampleImage sample = new SampleImage(folder, FRAMES, BLOCKS)
                .onDisk(100, 1000, 30)
                .onDisk(300, 1010, 1)
                .onDisk(301, 999, 1);
        var disk = new RawFileView(sample.disk);
        ImagePageSource source = source(sample, disk);

        assertPages(sample, 110, source.read(110, 1, Reading.DEMAND), 1);
        PageSource.FrameList neighbours = source.neighbours(110, 32);

        var frames = new ArrayList<Long>();
        for (int i = 0; i < neighbours.size(); i++) {
            frames.add(neighbours.get(i));
            source.read(neighbours.get(i), 1, Reading.DEMAND);
        }
        assertThat(frames)
                .contains(108L, 110L, 300L, 115L)
                .doesNotContain(107L, 124L, 301L)
                .hasSize(17);
        assertThat(disk.reads).containsExactly(new RawFileView.Read(1008, 16));
    }

    @ParameterizedTest
    @EnumSource
    void refusesABlockThatWasChangedUntilItIsPutBack(Reading reading) throws Exception {
        SampleImage sample = new SampleImage(folder, FRAMES, BLOCKS).onDisk(10, 100, 20);
        ImagePageSource source = source(sample, new RawFileView(sample.disk));
        byte[] before = sample.block(105);
        sample.overwrite(105, sample.block(106));

        assertThatThrownBy(() -> source.read(15, 4, reading))
                .hasMessage("disk 0: block 105 is not what page frame 15 of the guest was, "
                        + "the disk was changed since its image was made; put the old content back");
        assertPages(sample, 12, source.read(12, 8, reading), 3); // Up to the one before it.
        assertPages(sample, 16, source.read(16, 8, reading), 8);

        sample.overwrite(105, before);
        assertPages(sample, 15, source.read(15, 4, reading), 4);
    }

    @Test
    void refusesADiskThatEndsBeforeAPage() throws Exception {
        SampleImage sample = new SampleImage(folder, FRAMES, BLOCKS).onDisk(10, BLOCKS - 1, 1);
        ImageReader reader = closing(sample.write());
        try (var file = new java.io.RandomAccessFile(sample.disk.toFile(), "rw")) {
            file.setLength((BLOCKS - 1) * (long) SampleImage.PAGE);
        }
        var disk = new RawFileView(sample.disk);

        assertThatThrownBy(() -> PreparedImage.of(reader, List.of(disk)))
                .hasMessage("%s: the page of frame 10 is block 3999 of disk 0, which has 3999 blocks"
                        .formatted(sample.image));
        assertThat(disk.closed).isTrue();
    }

    @Test
    void refusesAnImageWithoutItsDisk() throws Exception {
        SampleImage sample = new SampleImage(folder, FRAMES, BLOCKS).onDisk(10, 1, 1);
        ImageReader reader = closing(sample.write());

        assertThatThrownBy(() -> PreparedImage.of(reader))
                .hasMessage("%s: pages of the guest are on disk 0, only 0 disks are given".formatted(sample.image));
    }

    @Test
    void opensNoDiskForAnImageThatNeedsNone() throws Exception {
        ImageReader reader =
                closing(new SampleImage(folder, FRAMES, 1).stored(0, 10).write());

        try (var prepared = PreparedImage.of(reader, disk -> {
            throw new AssertionError("disk " + disk + " is opened");
        })) {
            assertThat(prepared.source().nonZeroCount()).isEqualTo(10);
        }
    }

    /// A truncated disk fails as a read, and is tried again; it does not end the server.
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theServerStallsUntilTheDiskIsWhatItWas(boolean truncated) throws Exception {
        SampleImage sample = mixed();
        ImagePageSource source = source(sample, new RawFileView(sample.disk));
        byte[] block = sample.block(1100);
        var told = new ArrayList<String>();
        var placer = new CheckingPlacer(sample);
        if (truncated) {
            placer.mend = sample.truncate(500);
        } else {
            sample.overwrite(1100, new byte[SampleImage.PAGE]);
            placer.mend = () -> sample.overwrite(1100, block);
        }
        var demands = new DemandQueue();
        demands.put(new DemandQueue.Demand(300, 0)); // It is block 1100.
        long[] now = {0};
        var listener = new RestoreListener() {
            @Override
            public void stalled(String reason) {
                told.add(reason);
            }
        };

        new PageFaultServer(
                        source,
                        placer,
                        demands,
                        listener,
                        RestoreOptions.DEFAULT.unthrottled(),
                        new WorkingSetTrial(null, source, 0, new Random(0)),
                        new FrameSet(FRAMES),
                        new Surroundings(
                                () -> now[0] += 50_000_000,
                                new HostBudget(Runnable::run, Runnable::run, Runnable::run),
                                new GuestLoad(0)))
                .run();

        assertThat(told.getFirst()).startsWith(truncated ? "disk.raw: ends before" : "disk 0: block 1100 is not");
        assertThat(placer.placed).containsExactlyInAnyOrderElementsOf(sample.pages.keySet());
    }

    /// Breaks on any page that is not the guest's; mends the disk when all but the demanded group is placed.
    private static final class CheckingPlacer implements PagePlacer {
        final List<Long> placed = new ArrayList<>();
        private final SampleImage sample;
        private SampleImage.Action mend = () -> {};

        CheckingPlacer(SampleImage sample) {
            this.sample = sample;
        }

        @Override
        public void place(long frame, ByteBuffer pages) throws IOException {
            int count = pages.remaining() / SampleImage.PAGE;
            assertPages(sample, frame, pages.duplicate(), count);
            for (int i = 0; i < count; i++) {
                placed.add(frame + i);
            }
            if (placed.size() > 100) {
                mend.run();
                mend = () -> {};
            }
        }

        @Override
        public void placeZeroes(long frame, int count) {}

        @Override
        public void flush() {}
    }
}
