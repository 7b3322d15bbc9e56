package dev.dormouse.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.FullDisk;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.StorageException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ImageWriterTest {
    private static final List<RamBlock> ONE_PAGE = List.of(new RamBlock("ram", 4096));

    @TempDir
    Path directory;

    @Test
    void leavesNothingWhenItIsClosedUnpublished() throws IOException {
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(file, ONE_PAGE)) {
            writer.addPage(0, 0, ByteBuffer.allocate(4096).put(0, (byte) 1));

            assertThat(file).doesNotExist();
            assertThat(directory).isNotEmptyDirectory();
        }
        assertThat(directory).isEmptyDirectory();
    }

    @Test
    void namesTheFileAndLeavesNothingWhenTheDiskIsFull() throws IOException {
        Path file = directory.resolve("vm.img");
        try (var writer = ImageWriter.create(new FullDisk(), file, ONE_PAGE, WriterOptions.defaults())) {
            assertThatThrownBy(writer::publish)
                    .isInstanceOf(StorageException.class)
                    .hasMessage(file + ": cannot be written at byte 64: No space left on device");

            assertThat(directory).isEmptyDirectory();
        }
    }

    @Test
    void givesUpWhenTheDiskFillsUpWhilePagesArrive() throws IOException {
        var memory = new SampleMemory(1, 3000);
        try (var writer = ImageWriter.create(
                new FullDisk(), directory.resolve("vm.img"), memory.blocks, WriterOptions.defaults())) {
            assertThatThrownBy(() -> memory.writeTo(writer)).isInstanceOf(StorageException.class);

            assertThat(directory).isEmptyDirectory();
            assertThatThrownBy(() -> writer.addZero(0, 0)).isInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void replacesAnImageOfTheSameNameOnlyAtPublication() throws IOException {
        Path file = Files.writeString(directory.resolve("vm.img"), "old");
        try (var writer = ImageWriter.create(file, ONE_PAGE)) {
            assertThat(file).hasContent("old");
            writer.publish();
        }
        try (var image = ImageReader.open(file)) {
            assertThat(image.frameCount()).isOne();
        }
    }

    @Test
    void refusesFramesOutsideTheBlocks() throws IOException {
        try (var writer = ImageWriter.create(directory.resolve("vm.img"), ONE_PAGE)) {
            assertThatThrownBy(() -> writer.addZero(0, 1))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("frame 1 of RAM block ram, which has 1");
            assertThatThrownBy(() -> writer.addZero(0, -1)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> writer.addZero(1, 0))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("RAM block 1 of 1");
            assertThatThrownBy(() -> writer.addPage(0, 0, ByteBuffer.allocate(4095)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("page has 4095 bytes, not 4096");
        }
    }

    @Test
    void refusesDiskBlocksThatDoNotFit() throws IOException {
        try (var writer = ImageWriter.create(directory.resolve("vm.img"), ONE_PAGE)) {
            assertThatThrownBy(() -> writer.addOnDisk(0, 0, 256, 0, 0)).isInstanceOf(IllegalArgumentException.class);
            assertThatThrownBy(() -> writer.addOnDisk(0, 0, 0, 1L << 48, 0))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 65})
    void refusesExtentsOfOtherSizes(int pages) {
        assertThatThrownBy(() -> WriterOptions.defaults().withExtentPages(pages))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("extentPages is " + pages + ", 1 to 64 is allowed");
    }

    @Test
    void refusesMoreMemoryThanTheFormatHolds() throws IOException {
        long most = ImageFormat.FRAMES_MAX * 4096;
        try (var writer = ImageWriter.create(directory.resolve("vm.img"), List.of(new RamBlock("ram", most)))) {
            assertThat(writer.statistics().zeroPages()).isEqualTo(ImageFormat.FRAMES_MAX);
        }
        var blocks = List.of(new RamBlock("ram", most), new RamBlock("rom", 4096));
        assertThatThrownBy(() -> ImageWriter.create(directory.resolve("vm.img"), blocks))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("guest memory has 2147483649 pages, at most 2147483648 are supported");
    }

    @Test
    void refusesBlocksOfTheSameName() {
        var blocks = List.of(new RamBlock("ram", 4096), new RamBlock("ram", 8192));

        assertThatThrownBy(() -> ImageWriter.create(directory.resolve("vm.img"), blocks))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("two RAM blocks have the same name");
    }

    @Test
    void stopsRememberingDuplicatesAtItsBound() throws IOException {
        Path file = directory.resolve("vm.img");
        var options = WriterOptions.defaults().withDuplicateEntriesMax(1);
        try (var writer =
                ImageWriter.create(Storage.fileSystem(), file, List.of(new RamBlock("ram", 4 * 4096)), options)) {
            for (int frame = 0; frame < 4; frame++) {
                writer.addPage(0, frame, ByteBuffer.allocate(4096).put(0, (byte) (1 + frame / 2)));
            }
            assertThat(writer.statistics().duplicatePages()).isEqualTo(1);
            assertThat(writer.statistics().storedPages()).isEqualTo(3);
        }
    }
}
