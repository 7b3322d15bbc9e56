package dev.dormouse.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.image.FrameRanges;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.WriterStatistics;
import dev.dormouse.storage.SparseFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Hot pages lie together in the image, and the image is the memory all the same.
class HeatTest {
    private static final int PAGES = 3000;
    private static final int EXTENT_PAGES = 8;

    @TempDir
    Path folder;

    private interface Steps {
        void run(MemoryCapture memory) throws IOException;
    }

    private record Result(FrameRanges hot, WriterStatistics statistics) {}

    private Result capture(GuestFile guest, SparseFile file, Heat heat, Steps steps) throws IOException {
        try (ImageWriter writer = ImageWriter.create(image(), List.of(guest.block));
                var pipeline = new PagePipeline(writer, DiskLookup.NONE, 2);
                var memory = new MemoryCapture(file, 0, pipeline, _ -> {})) {
            pipeline.keepBack(heat);
            steps.run(memory);
            pipeline.complete(guest.block);
            writer.publish();
            return new Result(pipeline.hotFrames(), writer.statistics());
        }
    }

    private Path image() {
        return folder.resolve("image");
    }

    private GuestFile guest() throws IOException {
        var guest = new GuestFile(folder.resolve("ram"), PAGES);
        for (int page = 0; page < 2500; page++) {
            guest.write(page, page + 1);
        }
        return guest;
    }

    @Test
    void whatTheGuestDemandedAndWroteLastLiesTogether() throws IOException {
        try (var guest = guest();
                SparseFile file = SparseFile.open(guest.path);
                PageSums earlier = PageSums.of(file, 2)) {
            for (int page = 7; page < 2500; page += 100) {
                guest.write(page, page + 10_000);
            }
            guest.write(2900, 20_000); // Zero before.
            var expected =
                    FrameRanges.of(LongStream.range(0, 40).map(i -> i * 50).toArray());

            Result result = capture(guest, file, new Heat(expected, earlier), MemoryCapture::readPaused);

            assertThat(result.hot().frameCount()).isEqualTo(40 + 25 + 1);
            try (var image = ImageReader.open(image())) {
                assertThat(guest.firstDifference(image)).isEqualTo(-1);
                assertThat(extents(image, result.hot())).isLessThanOrEqualTo(66 / EXTENT_PAGES + 2);
            }
        }
    }

    private static long extents(ImageReader image, FrameRanges frames) throws IOException {
        var extents = new HashSet<Integer>();
        for (int range = 0; range < frames.rangeCount(); range++) {
            for (long frame = frames.first(range); frame <= frames.last(range); frame++) {
                extents.add(image.extentIndex(frame));
            }
        }
        return extents.size();
    }

    @Test
    void aHotPageThatChangesBetweenThePassesLeavesNothingBehind() throws IOException {
        try (var guest = guest();
                SparseFile file = SparseFile.open(guest.path)) {
            var expected = FrameRanges.builder().addRange(100, 199).build();

            Result result = capture(guest, file, new Heat(expected, null), memory -> {
                memory.readRunning();
                for (int page = 100; page < 150; page++) {
                    guest.write(page, page + 10_000);
                }
                guest.write(160, 0);
                guest.punch(170, 1);
                memory.readPaused();
            });

            assertThat(result.statistics().supersededPages()).isZero();
            assertThat(result.statistics().storedPages()).isEqualTo(2498);
            try (var image = ImageReader.open(image())) {
                assertThat(guest.firstDifference(image)).isEqualTo(-1);
            }
        }
    }

    @Test
    void morePagesThanAreKeptBackAreStoredAllTheSame() throws IOException {
        int pages = HotPages.KEPT_MAX + 500;
        try (var guest = new GuestFile(folder.resolve("ram"), pages)) {
            for (int page = 0; page < pages; page++) {
                guest.write(page, page % 3000 + 1);
            }
            try (SparseFile file = SparseFile.open(guest.path)) {
                var all = FrameRanges.builder().addRange(0, pages - 1L).build();

                Result result = capture(guest, file, new Heat(all, null), MemoryCapture::readPaused);

                assertThat(result.hot().frameCount()).isEqualTo(pages);
                try (var image = ImageReader.open(image())) {
                    assertThat(guest.firstDifference(image)).isEqualTo(-1);
                }
            }
        }
    }

    /// A machine of 64 MiB: an entry that names memory it has not, one that may not be executed, one that the user may
    /// use, and one of 4 KiB do not count.
    @Test
    void findsTheKernelsCodeByItsPageTable() throws IOException {
        try (var guest = new GuestFile(folder.resolve("ram"), 16 << 10)) {
            guest.write(5, 1);
            long[] entries = {
                0x1e3 | 2L << 21, 0x1a1 | 3L << 21, 0x1e3 | 9000L << 21, 0x8000_0000_0000_01e3L | 4L << 21,
                0x1e7 | 5L << 21, 0x163 | 6L << 21, 0x061 | 7L << 21, 0x1e3 | 8L << 21 | 1 << 14,
            };
            var table = ByteBuffer.allocate(4096).order(ByteOrder.LITTLE_ENDIAN);
            for (long entry : entries) {
                table.putLong(entry);
            }
            guest.put(77, table.clear());
            try (SparseFile file = SparseFile.open(guest.path)) {
                Result result = capture(guest, file, new Heat(FrameRanges.EMPTY, null), MemoryCapture::readPaused);

                var expected = FrameRanges.builder();
                expected.add(77);
                expected.addRange(1024, 2047);
                assertThat(result.hot()).isEqualTo(expected.build());
            }
        }
    }

    @Test
    void tellsAPageTableFromOtherPages() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment page = arena.allocate(4096, 8);
            for (int i = 0; i < 40; i++) {
                page.setAtIndex(ValueLayout.JAVA_LONG, i * 3L, 0x8000_0000_1234_5067L + i * 4096L);
            }
            assertThat(Heat.isLikelyPageTable(page)).isTrue();

            page.setAtIndex(ValueLayout.JAVA_LONG, 500, 0x4141_4141_4141_4141L);
            assertThat(Heat.isLikelyPageTable(page)).isFalse();
            assertThat(Heat.isLikelyPageTable(MemorySegment.ofBuffer(GuestFile.content(5))))
                    .isFalse();
        }
    }
}
