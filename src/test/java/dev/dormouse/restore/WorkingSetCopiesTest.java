package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.restore.PageSource.Reading;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Copies of pages that are on a disk, and what happens when they are damaged or somebody else's.
class WorkingSetCopiesTest {
    private static final int FRAMES = 4000;
    private static final int EASY_FRAME = 1000; // From there on pages that compress.
    private static final int EASY_BLOCK = 2000;
    private static final int EASY_COUNT = 504;
    private static final int HARD_FRAME = 2000; // From there on pages that do not, from block 0.
    private static final int HARD_COUNT = 1000;

    @TempDir
    Path folder;

    private SampleImage sample(String name) throws IOException {
        var sample = new SampleImage(Files.createDirectory(folder.resolve(name)), FRAMES, 4000);
        for (int i = 0; i < EASY_COUNT; i++) {
            var page = new byte[SampleImage.PAGE];
            Arrays.fill(page, (byte) (i % 100 + name.length())); // Never zero.
            page[7] = (byte) (i >> 8);
            sample.overwrite(EASY_BLOCK + i, page);
        }
        return sample.stored(0, 300).onDisk(EASY_FRAME, EASY_BLOCK, EASY_COUNT).onDisk(HARD_FRAME, 0, HARD_COUNT);
    }

    private static WorkingSet set() {
        int[] early = IntStream.range(HARD_FRAME, HARD_FRAME + 96).toArray();
        int[] late = IntStream.range(EASY_FRAME, EASY_FRAME + EASY_COUNT).toArray();
        return new WorkingSet(FRAMES, new int[][] {early, {5}, late, {}});
    }

    /// {@return the number of pages that were copied}
    private static long copy(SampleImage sample, Path file, WorkingSet set, boolean goesOn) throws IOException {
        try (ImageReader reader = sample.write();
                PreparedImage prepared = PreparedImage.of(reader, List.of(new RawFileView(sample.disk)));
                ImageWriter writer = ImageWriter.create(file, reader.ramBlocks())) {
            long pages = new WorkingSetCopies(prepared, writer).copy(set, () -> goesOn);
            writer.publish();
            return pages;
        }
    }

    /// Reads all pages in all ways.
    ///
    /// @return the blocks of the easy pages that were read from the disk
    private static long readAll(SampleImage sample, Path copies) throws IOException {
        var disk = new RawFileView(sample.disk);
        try (ImageReader image = ImageReader.open(sample.image);
                ImageReader copied = ImageReader.open(copies);
                var source = new ImagePageSource(SavedPages.of(image, copied), new ImageDisks(image, _ -> disk));
                PageSource.GroupBuffer buffer = source.newGroupBuffer()) {
            assertThat(source.nonZeroCount()).isEqualTo(sample.pages.size());
            int seen = 0;
            for (int group = 0; group < source.groupCount(); group++) {
                source.willNeed(group, 1);
                buffer.read(group);
                PageSource.FrameList frames = source.frames(group);
                for (int i = 0; i < frames.size(); i++, seen++) {
                    long frame = frames.get(i);
                    assertThat(source.group(frame)).isEqualTo(group);
                    assertPage(sample, frame, buffer.pages(frame, 4));
                    assertPage(sample, frame, source.read(frame, 4, Reading.DEMAND));
                    assertPage(sample, frame, source.read(frame, 4, Reading.BACKGROUND));
                    assertThat(source.neighbours(frame, 16).size()).isBetween(1, 16);
                }
            }
            assertThat(seen).isEqualTo(sample.pages.size());
        }
        return disk.reads.stream()
                .filter(read -> read.block() >= EASY_BLOCK)
                .mapToLong(RawFileView.Read::count)
                .sum();
    }

    private static void assertPage(SampleImage sample, long first, ByteBuffer pages) {
        for (int i = 0; pages.hasRemaining(); i++) {
            var page = new byte[SampleImage.PAGE];
            pages.get(page);
            assertThat(page).as("frame %d", first + i).isEqualTo(sample.pages.get(first + i));
        }
    }

    @Test
    void whatCompressesIsCopiedAndReadFromThere() throws Exception {
        SampleImage sample = sample("guest");
        Path copies = folder.resolve("copies");

        assertThat(copy(sample, copies, set(), true)).isEqualTo(EASY_COUNT);
        assertThat(Files.size(copies)).isLessThan(EASY_COUNT * 4096L / 10);
        assertThat(readAll(sample, copies)).isZero();
    }

    @Test
    void damagedCopiesCostReadsOfTheDiskOnly() throws Exception {
        SampleImage sample = sample("guest");
        Path copies = folder.resolve("copies");
        copy(sample, copies, set(), true);
        try (ImageReader reader = ImageReader.open(copies)) {
            byte[] bytes = Files.readAllBytes(copies);
            for (int extent = 3; extent < reader.extentCount(); extent += 2) {
                bytes[(int) reader.extentOffset(extent) + 5] ^= 1;
            }
            Files.write(copies, bytes);
        }

        assertThat(readAll(sample, copies)).isBetween(EASY_COUNT / 3L, 10L * EASY_COUNT);
    }

    /// Whoever gathers pages before it writes them has those of a damaged extent from several pieces of the disk.
    @Test
    void pagesInsteadOfDamagedCopiesStayUntilTheNextGroup() throws Exception {
        SampleImage sample = sample("guest");
        Path copies = folder.resolve("copies");
        var scattered = new int[8];
        Arrays.setAll(scattered, i -> EASY_FRAME + i * 60); // Each in another piece.
        copy(sample, copies, new WorkingSet(FRAMES, new int[][] {scattered, {}, {}, {}}), true);
        try (ImageReader image = ImageReader.open(sample.image);
                ImageReader copied = ImageReader.open(copies);
                var source = new ImagePageSource(
                        SavedPages.of(image, copied), new ImageDisks(image, _ -> new RawFileView(sample.disk)));
                PageSource.GroupBuffer buffer = source.newGroupBuffer()) {
            byte[] bytes = Files.readAllBytes(copies);
            bytes[(int) copied.extentOffset(0) + 5] ^= 1;
            Files.write(copies, bytes); // The same file, which is open.

            buffer.read(source.group(scattered[0]));
            var pages = new ByteBuffer[scattered.length];
            for (int i = 0; i < pages.length; i++) {
                pages[i] = buffer.pages(scattered[i], 1);
                assertThat(pages[i].isDirect()).isTrue();
            }
            for (int i = 0; i < pages.length; i++) {
                assertPage(sample, scattered[i], pages[i]);
            }
        }
    }

    @Test
    void copiesWithADamagedTableAreNotUsed() throws Exception {
        SampleImage sample = sample("guest");
        Path copies = folder.resolve("copies");
        copy(sample, copies, set(), true);
        long end;
        try (ImageReader reader = ImageReader.open(copies)) {
            int last = reader.extentCount() - 1;
            end = reader.extentOffset(last) + reader.extentLengthBytes(last);
        }
        byte[] bytes = Files.readAllBytes(copies);
        bytes[(int) end + 5] ^= 1; // The page table stands behind the extents.
        Files.write(copies, bytes);

        assertThat(readAll(sample, copies)).isGreaterThanOrEqualTo(EASY_COUNT);
    }

    @Test
    void copiesOfAnotherGuestAreNotUsed() throws Exception {
        SampleImage sample = sample("guest");
        SampleImage other = sample("another");
        copy(sample, folder.resolve("copies"), set(), true);
        copy(other, folder.resolve("others"), set(), true);

        assertThat(readAll(sample, folder.resolve("others"))).isGreaterThanOrEqualTo(EASY_COUNT);
        try (ImageReader image = ImageReader.open(sample.image);
                ImageReader copied = ImageReader.open(folder.resolve("copies"))) {
            assertThat(SavedPages.of(image, copied).extentCount())
                    .isEqualTo(image.extentCount() + copied.extentCount());
        }
    }

    @Test
    void copiesTakeNoMoreThanTheirShare() throws Exception {
        var sample = new SampleImage(Files.createDirectory(folder.resolve("guest")), FRAMES, 4000);
        var random = new Random(3);
        for (int block = 0; block < FRAMES; block++) {
            var page = new byte[SampleImage.PAGE];
            for (int i = 0; i < page.length / 3; i++) { // A third of each is left when it is compressed.
                page[i] = (byte) random.nextInt();
            }
            sample.overwrite(block, page);
        }
        sample.onDisk(0, 0, FRAMES);
        int[] all = IntStream.range(0, FRAMES).toArray();

        long pages =
                copy(sample, folder.resolve("copies"), new WorkingSet(FRAMES, new int[][] {all, {}, {}, {}}), true);

        assertThat(pages).isBetween(FRAMES / 4L, FRAMES / 2L);
        assertThat(Files.size(folder.resolve("copies"))).isLessThan(FRAMES * (long) RamBlock.TARGET_PAGE_BYTES / 7);
        readAll(sample, folder.resolve("copies"));
    }

    @Test
    void aGuestThatWantsEverythingHasTheRestCopied() throws Exception {
        SampleImage sample = sample("guest");
        var everything = new WorkingSet(FRAMES, new int[][] {{5}, {}, {}, {}}, 0.9);

        assertThat(copy(sample, folder.resolve("copies"), everything, true)).isEqualTo(EASY_COUNT);
        assertThat(readAll(sample, folder.resolve("copies"))).isZero();
    }

    @Test
    void whatIsBrokenOffCopiesNothing() throws Exception {
        assertThat(copy(sample("guest"), folder.resolve("copies"), set(), false))
                .isZero();
    }
}
