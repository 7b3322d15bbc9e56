package dev.dormouse.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Command;
import dev.dormouse.base.DormouseException;
import dev.dormouse.image.FrameRanges;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.PageClass;
import dev.dormouse.storage.SparseFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Memory is read from a file that changes like that of a guest; the image must be the file as it is in the end.
class MemoryCaptureTest {
    private static final int PAGES = 3000;

    @TempDir
    Path folder;

    private interface Steps {
        void run(MemoryCapture memory) throws IOException;
    }

    private record Result(Path image, FrameRanges hot) {}

    private Result capture(GuestFile guest, DiskLookup disks, int threads, Steps steps) throws IOException {
        Path image = folder.resolve("image" + threads);
        try (SparseFile file = SparseFile.open(guest.path);
                ImageWriter writer = ImageWriter.create(image, List.of(guest.block));
                var pipeline = new PagePipeline(writer, disks, threads);
                var memory = new MemoryCapture(file, 0, pipeline, _ -> {})) {
            steps.run(memory);
            writer.setDiskBlockCounts(1000, 1000, 1000, 1000);
            writer.publish();
            return new Result(image, pipeline.hotFrames());
        }
    }

    private static void assertIsImageOf(GuestFile guest, Path image) throws IOException {
        try (var reader = ImageReader.open(image)) {
            assertThat(guest.firstDifference(reader))
                    .as("first page that differs, seed %d", GuestFile.SEED)
                    .isEqualTo(-1);
        }
    }

    @Test
    void onePassHoldsEveryPage() throws IOException {
        try (var guest = GuestFile.filled(folder.resolve("ram"), PAGES)) {
            Result result = capture(guest, DiskLookup.NONE, 3, MemoryCapture::readPaused);

            assertIsImageOf(guest, result.image());
            assertThat(result.hot()).isEqualTo(FrameRanges.EMPTY);
        }
    }

    @Test
    void makesTheSameImageWithAnyNumberOfThreads() throws IOException {
        try (var guest = GuestFile.filled(folder.resolve("ram"), PAGES)) {
            var disks = new FakeDisks();
            disks.put(5, 0, 3);

            Path one = capture(guest, disks, 1, MemoryCapture::readPaused).image();
            Path five = capture(guest, disks, 5, MemoryCapture::readPaused).image();

            assertThat(five).hasSameBinaryContentAs(one);
        }
    }

    @Test
    void doesNotFillTheHolesThatItReads() throws IOException {
        try (var guest = new GuestFile(folder.resolve("ram"), 10_000)) {
            guest.write(5000, 7);
            String before = allocated(guest.path);

            capture(guest, DiskLookup.NONE, 2, MemoryCapture::readPaused);

            assertThat(allocated(guest.path)).isEqualTo(before);
        }
    }

    private static String allocated(Path file) throws IOException {
        return Command.run(List.of("stat", "--format=%b", file.toString()), Duration.ofSeconds(10));
    }

    @Test
    void theSecondPassPutsRightWhatChangedSinceTheFirst() throws IOException {
        try (var guest = new GuestFile(folder.resolve("ram"), PAGES)) {
            for (int page = 100; page < 1000; page++) {
                guest.write(page, page);
            }
            Result result = capture(guest, DiskLookup.NONE, 2, memory -> {
                memory.readRunning();
                guest.write(200, 99_999); // Another content,
                guest.write(201, 300); // that of another page,
                guest.write(300, 0); // zeros,
                guest.punch(400, 300); // a hole,
                guest.write(2000, 5); // a page where a hole was,
                guest.write(500, 500); // and one that is what it was before.
                memory.readPaused();
            });

            assertIsImageOf(guest, result.image());
            assertThat(result.hot()).isEqualTo(FrameRanges.of(200, 201, 300, 2000));
        }
    }

    @Test
    void aPageThatTheGuestWroteBackIsTheSameAgain() throws IOException {
        try (var guest = new GuestFile(folder.resolve("ram"), 64)) {
            guest.write(1, 1);
            guest.write(2, 1);
            Result result = capture(guest, DiskLookup.NONE, 2, memory -> {
                memory.readRunning();
                guest.write(1, 2);
                guest.write(2, 2);
                memory.readPaused();
            });

            assertIsImageOf(guest, result.image());
        }
    }

    /// A page stood on a disk while the guest ran; the guest has rewritten the block since.
    @Test
    void aBlockThatChangedBetweenThePassesIsNotReferredTo() throws IOException {
        var disks = new FakeDisks();
        disks.put(11, 0, 77);
        disks.put(12, 3, 78);
        try (var guest = new GuestFile(folder.resolve("ram"), 64)) {
            guest.write(1, 11);
            guest.write(2, 12);
            Result result = capture(guest, disks, 2, memory -> {
                memory.readRunning();
                disks.forget(11);
                memory.readPaused();
            });

            try (var image = ImageReader.open(result.image())) {
                assertThat(image.pageClass(1)).isEqualTo(PageClass.STORED);
                assertThat(image.pageClass(2)).isEqualTo(PageClass.ON_DISK);
                assertThat(image.disk(2)).isEqualTo(3);
                assertThat(image.diskBlock(2)).isEqualTo(78);
                assertThat(guest.firstDifference(image)).isEqualTo(-1);
            }
        }
    }

    @Test
    void endsWhenItsFollowerThrows() throws IOException {
        try (var guest = GuestFile.filled(folder.resolve("ram"), PAGES);
                SparseFile file = SparseFile.open(guest.path);
                ImageWriter writer = ImageWriter.create(folder.resolve("image"), List.of(guest.block));
                var pipeline = new PagePipeline(writer, DiskLookup.NONE, 2);
                var memory = new MemoryCapture(file, 0, pipeline, _ -> {
                    throw new CaptureException("enough");
                })) {
            assertThatThrownBy(memory::readPaused)
                    .isInstanceOf(DormouseException.class)
                    .hasMessage("enough");
        }
        assertThat(Files.exists(folder.resolve("image"))).isFalse();
    }

    /// Disks that hold the contents of some seeds.
    private static final class FakeDisks implements DiskLookup {
        private final Map<Long, Long> locations = new ConcurrentHashMap<>();

        void put(long seed, int disk, long block) {
            locations.put(key(MemorySegment.ofBuffer(GuestFile.content(seed))), DiskLookup.location(disk, block));
        }

        void forget(long seed) {
            locations.remove(key(MemorySegment.ofBuffer(GuestFile.content(seed))));
        }

        private static long key(MemorySegment page) {
            return page.get(java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED, 0);
        }

        @Override
        public long find(long checksum, MemorySegment page, long hint) {
            return locations.getOrDefault(key(page), NOT_FOUND);
        }

        @Override
        public boolean holds(long location, long checksum, MemorySegment page) {
            return locations.getOrDefault(key(page), NOT_FOUND) == location;
        }
    }
}
