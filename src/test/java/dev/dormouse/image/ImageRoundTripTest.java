package dev.dormouse.image;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What was written is read: every page of random memory, every opaque part, the numbers about them.
class ImageRoundTripTest {
    private static final long SEED = Long.getLong("dormouse.seed", 42);

    @TempDir
    Path directory;

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 16, 64})
    void readsEveryPageOfRandomMemory(int extentPages) throws IOException {
        var memory = new SampleMemory(SEED, 5000, 1, 300);
        Path file = write(memory, WriterOptions.defaults().withExtentPages(extentPages));

        try (var image = ImageReader.open(file);
                ExtentBuffer buffer = image.newExtentBuffer()) {
            assertThat(image.frameCount()).isEqualTo(5301);
            for (long frame = 0; frame < image.frameCount(); frame++) {
                assertThat(page(image, frame, buffer))
                        .as("seed %d, frame %d", SEED, frame)
                        .isEqualTo(memory.page(frame));
                image.verifyPage(frame, memory.page(frame));
            }
        }
    }

    @Test
    void readsTheOpaqueParts() throws IOException {
        byte[] state = "device state ".repeat(1000).getBytes(StandardCharsets.US_ASCII);
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, List.of(new RamBlock("pc.ram", 8192), new RamBlock("rom", 4096)))) {
            writer.setMetadata("{\"vm\":\"grüße\"}");
            writer.setConfiguration(new byte[] {1, 2, 3});
            writer.setDeviceState(state);
            writer.setRamSectionId(7);
            writer.publish();
        }

        try (var image = ImageReader.open(file)) {
            assertThat(image.metadata()).isEqualTo("{\"vm\":\"grüße\"}");
            assertThat(image.configuration()).containsExactly(1, 2, 3);
            assertThat(image.deviceState()).isEqualTo(state);
            assertThat(image.ramSectionId()).isEqualTo(7);
            assertThat(image.ramBlocks()).containsExactly(new RamBlock("pc.ram", 8192), new RamBlock("rom", 4096));
            assertThat(image.firstFrame(1)).isEqualTo(2);
            assertThat(image.version()).isEqualTo(1);
        }
    }

    @Test
    void countsWhatItWrote() throws IOException {
        var memory = new SampleMemory(SEED, 3000);
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, memory.blocks)) {
            memory.writeTo(writer);
            writer.publish();

            WriterStatistics written = writer.statistics();
            try (var image = ImageReader.open(file)) {
                var seen = ImageInspection.of(image);
                assertThat(written.totalPages()).isEqualTo(3000);
                assertThat(seen.pages())
                        .isEqualTo(new ImageInspection.Pages(
                                3000, written.zeroPages(), 0, written.duplicatePages(), written.storedPages()));
                assertThat(seen.bytes().image()).isEqualTo(Files.size(file)).isEqualTo(written.fileBytes());
                assertThat(seen.bytes().stored()).isEqualTo(written.extentBytes());
                assertThat(seen.compressionRatio()).isGreaterThan(1);
            }
        }
    }

    @Test
    void writesTheSameBytesWithAnyNumberOfThreads() throws IOException {
        var memory = new SampleMemory(SEED, 3000);

        byte[] one = Files.readAllBytes(write(memory, WriterOptions.defaults().withCompressionThreads(1)));
        byte[] five = Files.readAllBytes(write(memory, WriterOptions.defaults().withCompressionThreads(5)));

        assertThat(five).isEqualTo(one);
    }

    @Test
    void keepsTheLastContentOfAPageThatArrivesAgain() throws IOException {
        var memory = new SampleMemory(SEED, 400);
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, List.of(new RamBlock("ram", 400 * 4096)))) {
            for (int frame = 0; frame < 400; frame++) {
                writer.addPage(0, frame, memory.page(399 - frame));
            }
            memory.writeTo(writer);
            memory.writeTo(writer);
            writer.publish();
        }

        assertIsImageOf(memory, file);
    }

    @Test
    void givesTheSlotOfASupersededPageToItsDuplicate() throws IOException {
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, List.of(new RamBlock("ram", 3 * 4096)))) {
            writer.addPage(0, 0, filled(1));
            writer.addPage(0, 1, filled(1));
            writer.addPage(0, 2, filled(1));
            writer.addZero(0, 0);
            writer.publish();

            assertThat(writer.statistics().supersededPages()).isZero();
        }

        try (var image = ImageReader.open(file)) {
            assertThat(classes(image)).containsExactly(PageClass.ZERO, PageClass.STORED, PageClass.DUPLICATE);
            assertThat(image.framesOfExtent(0)).containsExactly(1);
            assertThat(image.duplicatesOfExtent(0)).containsExactly(2);
        }
    }

    @Test
    void readsReferencesToDiskBlocks() throws IOException {
        Path file = directory.resolve("vm.img");
        long checksum = Xxh3.hash64(filled(9));
        try (var writer = ImageWriter.create(file, List.of(new RamBlock("ram", 2 * 4096)))) {
            writer.addOnDisk(0, 1, 255, (1L << 48) - 1, checksum);
            var counts = new long[256];
            counts[255] = 1L << 48;
            writer.setDiskBlockCounts(counts);
            writer.publish();
        }

        try (var image = ImageReader.open(file)) {
            assertThat(image.pageClass(1)).isEqualTo(PageClass.ON_DISK);
            assertThat(image.disk(1)).isEqualTo(255);
            assertThat(image.diskBlock(1)).isEqualTo((1L << 48) - 1);
            assertThat(image.diskCount()).isEqualTo(256);
            assertThat(image.diskBlockCount(255)).isEqualTo(1L << 48);
            assertThat(image.diskBlockCount(0)).isZero();
            assertThat(image.extentIndex(1)).isEqualTo(-1);
            image.verifyPage(1, filled(9));
        }
    }

    @Test
    void findsTheFramesOfEachExtent() throws IOException {
        var memory = new SampleMemory(SEED, 2000);
        Path file = write(memory, WriterOptions.defaults());

        try (var image = ImageReader.open(file)) {
            List<Long> frames = new ArrayList<>();
            for (int extent = 0; extent < image.extentCount(); extent++) {
                for (long frame : image.framesOfExtent(extent)) {
                    assertThat(image.extentIndex(frame)).isEqualTo(extent);
                    frames.add(frame);
                }
                for (long frame : image.duplicatesOfExtent(extent)) {
                    assertThat(image.pageClass(frame)).isEqualTo(PageClass.DUPLICATE);
                    frames.add(frame);
                }
            }
            List<Long> nonZero = new ArrayList<>();
            image.forEachNonZero((frame, _, _, _) -> nonZero.add(frame));
            assertThat(frames).containsExactlyInAnyOrderElementsOf(nonZero);
        }
    }

    @Test
    void readsAFullExtentAfterAShortRawOne() throws IOException {
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, List.of(new RamBlock("ram", 9 * 4096)))) {
            for (int frame = 0; frame < 9; frame++) {
                writer.addPage(0, frame, frame < 8 ? filled(frame + 1) : GoldenImage.page(8));
            }
            writer.publish();
        }

        try (var image = ImageReader.open(file);
                ExtentBuffer buffer = image.newExtentBuffer()) {
            image.readExtent(1, buffer);
            assertThat(buffer.page(0)).isEqualTo(GoldenImage.page(8));
            image.readExtent(0, buffer);
            assertThat(buffer.page(7)).isEqualTo(filled(8));
        }
    }

    @Test
    void takesNoBytesForChunksOfZeroPages() throws IOException {
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, List.of(new RamBlock("ram", 64L << 30)))) {
            writer.addPage(0, 5_000_000, filled(1));
            writer.publish();
        }

        try (var image = ImageReader.open(file)) {
            assertThat(Files.size(file)).isLessThan(4096 * 24 + 4096);
            assertThat(image.nextNonZero(0)).isEqualTo(5_000_000);
            assertThat(image.nextNonZero(5_000_001)).isEqualTo(image.frameCount());
        }
    }

    @Test
    void worksWithoutLookingForDuplicates() throws IOException {
        var memory = new SampleMemory(SEED, 300);

        Path file = write(memory, WriterOptions.defaults().withDuplicateEntriesMax(0));

        assertIsImageOf(memory, file);
    }

    private Path write(SampleMemory memory, WriterOptions options) throws IOException {
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(Storage.fileSystem(), file, memory.blocks, options)) {
            memory.writeTo(writer);
            writer.publish();
        }
        return file;
    }

    private static void assertIsImageOf(SampleMemory memory, Path file) throws IOException {
        try (var image = ImageReader.open(file);
                ExtentBuffer buffer = image.newExtentBuffer()) {
            for (long frame = 0; frame < image.frameCount(); frame++) {
                assertThat(page(image, frame, buffer))
                        .as("seed %d, frame %d", SEED, frame)
                        .isEqualTo(memory.page(frame));
            }
            assertThat(image.verify(VerifyReport.Progress.NONE).damages()).isEmpty();
        }
    }

    private static List<PageClass> classes(ImageReader image) throws IOException {
        List<PageClass> classes = new ArrayList<>();
        for (long frame = 0; frame < image.frameCount(); frame++) {
            classes.add(image.pageClass(frame));
        }
        return classes;
    }

    private static ByteBuffer page(ImageReader image, long frame, ExtentBuffer buffer) throws IOException {
        if (image.pageClass(frame) == PageClass.ZERO) {
            return ByteBuffer.allocate(4096);
        }
        if (buffer.extentIndex() != image.extentIndex(frame)) {
            image.readExtent(image.extentIndex(frame), buffer);
        }
        return buffer.page(image.slot(frame));
    }

    private static ByteBuffer filled(int value) {
        var bytes = new byte[4096];
        java.util.Arrays.fill(bytes, (byte) value);
        return ByteBuffer.wrap(bytes);
    }
}
