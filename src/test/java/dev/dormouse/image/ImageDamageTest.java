package dev.dormouse.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.image.ImageFormat.Header;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.StorageException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Invariants: every flipped bit outside the extents and every truncation is refused when the image is
/// opened or the part is used, with one of the two errors made for it; a flipped bit in an extent is
/// found when the extent is read and by the verifier; nothing else is ever thrown.
class ImageDamageTest {
    @TempDir
    Path directory;

    private Path file;
    private byte[] sound;
    private int extentsEnd;

    @BeforeEach
    void writeSmallImage() throws IOException {
        var memory = new SampleMemory(7, 60, 3);
        file = directory.resolve("vm.img");
        WriterOptions options = WriterOptions.defaults().withExtentPages(4);
        try (var writer = ImageWriter.create(Storage.fileSystem(), file, memory.blocks, options)) {
            memory.writeTo(writer);
            writer.setMetadata("{\"a\":1}");
            writer.setConfiguration(new byte[] {1, 2, 3});
            writer.setDeviceState("device state".getBytes(StandardCharsets.US_ASCII));
            writer.publish();
            extentsEnd = Header.SIZE_BYTES + (int) writer.statistics().extentBytes();
        }
        sound = Files.readAllBytes(file);
    }

    @Test
    void refusesAHeaderWithAnyBitFlipped() throws IOException {
        for (int bit = 0; bit < Header.SIZE_BYTES * 8; bit++) {
            var storage = new BytesAsFile(flipped(bit));
            assertThatThrownBy(() -> ImageReader.open(storage, file).close())
                    .as("bit %d", bit)
                    .isInstanceOfAny(CorruptImageException.class, UnsupportedImageException.class)
                    .hasMessageStartingWith(file + ": ");
        }
    }

    @Test
    void refusesTablesAndMetadataWithAnyBitFlipped() throws IOException {
        for (int bit = extentsEnd * 8; bit < sound.length * 8; bit++) {
            var storage = new BytesAsFile(flipped(bit));
            assertThatThrownBy(() -> openAndUse(storage))
                    .as("bit %d", bit)
                    .isInstanceOfAny(CorruptImageException.class, UnsupportedImageException.class)
                    .hasMessageContaining(file + ": ");
        }
    }

    @Test
    void refusesEveryTruncation() throws IOException {
        for (int length = 0; length < sound.length; length += (length < 200 || length > extentsEnd) ? 1 : 97) {
            var storage = new BytesAsFile(Arrays.copyOf(sound, length));
            assertThatThrownBy(() -> ImageReader.open(storage, file).close())
                    .as("length %d", length)
                    .isInstanceOf(CorruptImageException.class)
                    .hasMessageStartingWith(file + ": damaged at byte ");
        }
    }

    @Test
    void refusesBytesAfterTheEnd() throws IOException {
        Files.write(file, Arrays.copyOf(sound, sound.length + 1));

        assertThatThrownBy(() -> ImageReader.open(file))
                .isInstanceOf(CorruptImageException.class)
                .hasMessage("%s: damaged at byte %d: file has %d bytes, the header says %d"
                        .formatted(file, sound.length, sound.length + 1, sound.length));
    }

    @Test
    void findsAFlippedBitOfAnExtentWhenItIsRead() throws IOException {
        for (int bit = Header.SIZE_BYTES * 8; bit < extentsEnd * 8; bit += 1009) {
            Files.write(file, flipped(bit));
            try (var image = ImageReader.open(file);
                    ExtentBuffer buffer = image.newExtentBuffer()) {
                int extent = extentAt(image, bit / 8);
                assertThatThrownBy(() -> image.readExtent(extent, buffer))
                        .isInstanceOf(CorruptImageException.class)
                        .hasMessageStartingWith(
                                file + ": damaged at byte " + image.extentOffset(extent) + ": extent has checksum ");
                assertThat(image.verify(VerifyReport.Progress.NONE).damageCount())
                        .isEqualTo(1);
            }
        }
    }

    @Test
    void saysWhichVersionItReads() throws IOException {
        byte[] newer = sound.clone();
        newer[Header.VERSION.offset()] = 3;
        Files.write(file, newer);

        assertThatThrownBy(() -> ImageReader.open(file))
                .isInstanceOf(UnsupportedImageException.class)
                .hasMessage(file + ": image format 3; this build reads 1 to 1");
    }

    @Test
    void refusesTheVersionThatWasNeverReleased() throws IOException {
        byte[] older = sound.clone();
        older[Header.VERSION.offset()] = 0;
        Files.write(file, older);

        assertThatThrownBy(() -> ImageReader.open(file))
                .isInstanceOf(UnsupportedImageException.class)
                .hasMessage(file + ": image format 0, which was never released and is read only by the build that"
                        + " wrote it; this build reads 1 to 1");
    }

    @Test
    void saysThatAFileIsNoImage() throws IOException {
        Files.write(file, new byte[100]);

        assertThatThrownBy(() -> ImageReader.open(file))
                .isInstanceOf(CorruptImageException.class)
                .hasMessage(file
                        + ": damaged at byte 0: magic is 0x0, not 0x4553554f4d524f44: this is no checkpoint image");
    }

    @Test
    void findsAPageThatIsNotItsContent() throws IOException {
        try (var image = ImageReader.open(file)) {
            long frame = image.nextNonZero(0);

            assertThatThrownBy(() -> image.verifyPage(frame, ByteBuffer.allocate(4096)))
                    .isInstanceOf(CorruptImageException.class)
                    .hasMessageContaining("page of frame " + frame + " (extent 0, slot 0) has checksum ");
        }
    }

    @Test
    void saysThatTheFileBecameShorter() throws IOException {
        try (var image = ImageReader.open(file);
                ExtentBuffer buffer = image.newExtentBuffer()) {
            Files.newByteChannel(file, java.nio.file.StandardOpenOption.WRITE)
                    .truncate(100)
                    .close();

            assertThatThrownBy(() -> image.readExtent(1, buffer))
                    .isInstanceOf(CorruptImageException.class)
                    .hasMessageContaining("file has become shorter than the " + sound.length + " bytes it had");
        }
    }

    @Test
    void namesAFileThatIsMissing() {
        Path missing = directory.resolve("missing.img");

        assertThatThrownBy(() -> ImageReader.open(missing))
                .isInstanceOf(StorageException.class)
                .hasMessage(missing + ": cannot be opened: No such file or directory");
    }

    @Test
    void acceptsTheSoundImage() throws IOException {
        openAndUse(new BytesAsFile(sound));
    }

    private void openAndUse(Storage storage) throws IOException {
        try (var image = ImageReader.open(storage, file)) {
            ImageInspection.of(image);
            image.deviceState();
            image.framesOfExtent(0);
        }
    }

    private static int extentAt(ImageReader image, long position) {
        int extent = 0;
        while (image.extentOffset(extent) + image.extentLengthBytes(extent) <= position) {
            extent++;
        }
        return extent;
    }

    private byte[] flipped(int bit) {
        byte[] bytes = sound.clone();
        bytes[bit / 8] ^= (byte) (1 << (bit % 8));
        return bytes;
    }
}
