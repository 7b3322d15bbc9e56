package dev.dormouse.image;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.image.ImageFormat.SectionEntry;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Invariants: what is read back is what was written, with the key and only with it; every changed bit and every part
/// in another's place is refused; nothing of the guest stands in the file, but for METADATA.
class EncryptedImageTest {
    private static final Path NAME = Path.of("vm.img");
    private static final ImageKey KEY =
            ImageKey.of("right.key", "0123456789abcdef0123456789abcdef".getBytes(StandardCharsets.US_ASCII));
    private static final ImageKey OTHER =
            ImageKey.of("wrong.key", "0123456789abcdef0123456789abcdeX".getBytes(StandardCharsets.US_ASCII));

    @TempDir
    Path folder;

    private SampleMemory memory;
    private byte[] image;

    @BeforeEach
    void writeImage() throws IOException {
        memory = new SampleMemory(11, 60, 3);
        image = write("vm.img", memory);
    }

    private byte[] write(String name, SampleMemory content) throws IOException {
        Path file = folder.resolve(name);
        WriterOptions options = WriterOptions.defaults().withExtentPages(4).withKey(KEY);
        try (var writer = ImageWriter.create(Storage.fileSystem(), file, content.blocks, options)) {
            content.writeTo(writer);
            writer.setMetadata("{\"for\":\"all to read\"}");
            writer.setConfiguration("the configuration".getBytes(StandardCharsets.US_ASCII));
            writer.setDeviceState("the device state".getBytes(StandardCharsets.US_ASCII));
            writer.setHeatOrder(FrameRanges.of(1, 2, 4));
            writer.publish();
        }
        return Files.readAllBytes(file);
    }

    private static ImageReader open(byte[] bytes, ImageKey key) throws IOException {
        return ImageReader.open(new BytesAsFile(bytes), NAME, _ -> key);
    }

    @Test
    void readsBackWhatWasWritten() throws IOException {
        try (var reader = open(image, KEY);
                ExtentBuffer buffer = reader.newExtentBuffer()) {
            assertThat(reader.isEncrypted()).isTrue();
            assertThat(reader.metadata()).isEqualTo("{\"for\":\"all to read\"}");
            assertThat(reader.configuration()).asString().isEqualTo("the configuration");
            assertThat(reader.deviceState()).asString().isEqualTo("the device state");
            assertThat(reader.heatOrder()).contains(FrameRanges.of(1, 2, 4));
            for (long frame = 0; frame < memory.frameCount(); frame++) {
                assertThat(reader.pageClass(frame) == PageClass.ZERO).isEqualTo(memory.isZero(frame));
                if (!memory.isZero(frame)) {
                    reader.readExtent(reader.extentIndex(frame), buffer);
                    assertThat(buffer.page(reader.slot(frame))).isEqualTo(memory.page(frame));
                    reader.verifyPage(frame, buffer.page(reader.slot(frame)));
                }
            }
            assertThat(reader.verify(VerifyReport.Progress.NONE).isSound()).isTrue();
            assertThat(ImageInspection.of(reader).encrypted()).isTrue();
        }
    }

    @Test
    void needsNoKeyForTheMetadata() throws IOException {
        ImageReader.Label label = ImageReader.label(new BytesAsFile(image), NAME);

        assertThat(label).isEqualTo(new ImageReader.Label("{\"for\":\"all to read\"}", true));
    }

    @Test
    void saysThatTheKeyIsMissingOrAnotherOne() {
        assertThatThrownBy(() -> ImageReader.open(new BytesAsFile(image), NAME))
                .isInstanceOf(ImageKeyException.class)
                .hasMessage("vm.img: image is encrypted, give the file of its key with --key");
        assertThatThrownBy(() -> open(image, OTHER))
                .isInstanceOf(ImageKeyException.class)
                .hasMessage("vm.img: wrong.key is not the image's key, give the one that it was made with");
    }

    @Test
    void holdsNothingOfTheGuestInTheClear() {
        String text = new String(image, StandardCharsets.ISO_8859_1);

        assertThat(text).contains("all to read").doesNotContain("the configuration", "the device state", "block0");
        for (int frame = 0; frame < memory.frameCount(); frame++) {
            if (!memory.isZero(frame)) {
                byte[] piece = new byte[64];
                memory.page(frame).get(1024, piece);
                assertThat(text).doesNotContain(new String(piece, StandardCharsets.ISO_8859_1));
            }
        }
    }

    @Test
    void twoImagesOfTheSameMemoryHaveNothingInCommon() throws IOException {
        byte[] second = write("second.img", memory);

        int same = 0;
        for (int at = 64; at < 2000; at++) {
            same += image[at] == second[at] ? 1 : 0;
        }
        assertThat(same).isLessThan(60); // Of 1936 random bytes some 8 are the same.
    }

    @Test
    void refusesEveryChangedBitOutsideTheExtentsAndASampleOfThem() throws IOException {
        image = write("small.img", new SampleMemory(11, 6, 3)); // Extents of each kind, and two blocks.
        int extentsEnd = extentsEnd();
        for (int bit = 0; bit < image.length * 8; bit += bit / 8 >= 64 && bit / 8 < extentsEnd ? 101 : 1) {
            byte[] damaged = image.clone();
            damaged[bit / 8] ^= (byte) (1 << (bit % 8));
            assertThat(isRefused(damaged)).as("bit %d", bit).isTrue();
        }
        assertThat(isRefused(image)).isFalse();
    }

    @Test
    void refusesEveryTruncation() {
        for (int length = 0; length < image.length; length += 7) {
            byte[] cut = Arrays.copyOf(image, length);
            assertThatThrownBy(() -> open(cut, KEY)).isInstanceOf(CorruptImageException.class);
        }
    }

    /// Whoever has no key can still make all checksums right, as [PatchedImage] does.
    @Test
    void refusesMetadataAndSectionsThatSomebodyChangedWithAllChecksumsRight() {
        byte[] otherMetadata = new PatchedImage(image)
                .with(SectionType.METADATA.code(), 0, "{}".getBytes(StandardCharsets.US_ASCII))
                .bytes();
        byte[] withoutHint =
                new PatchedImage(image).without(SectionType.HEAT_ORDER.code()).bytes();
        byte[] otherState = new PatchedImage(image)
                .with(SectionType.DEVICE_STATE.code(), 0, new byte[40])
                .bytes();
        byte[] hint = new PatchedImage(image)
                .with(77, SectionEntry.FLAG_MAY_BE_IGNORED, new byte[40])
                .bytes();

        for (byte[] changed : new byte[][] {otherMetadata, withoutHint, otherState, hint}) {
            assertThatThrownBy(() -> open(changed, KEY))
                    .isInstanceOf(CorruptImageException.class)
                    .hasMessageContaining("directory or metadata are not those that were written with the image's key");
        }
    }

    /// Two extents of the same length, exchanged: each is authentic, but not there.
    @Test
    void aPartInAnothersPlaceDoesNotDecrypt() {
        var cipher = new ImageCipher(new byte[32], new byte[16]);
        ByteBuffer sealed = cipher.sealed(8, 64, ByteBuffer.wrap("some page".getBytes(StandardCharsets.US_ASCII)));
        ByteBuffer plain = ByteBuffer.allocate(64);

        assertThat(cipher.newBox().open(8, 64, sealed.duplicate(), plain.clear()))
                .isTrue();
        assertThat(cipher.newBox().open(8, 128, sealed.duplicate(), plain.clear()))
                .isFalse();
        assertThat(cipher.newBox().open(6, 64, sealed.duplicate(), plain.clear()))
                .isFalse();
        assertThat(new ImageCipher(new byte[32], new byte[] {1})
                        .newBox()
                        .open(8, 64, sealed.duplicate(), plain.clear()))
                .isFalse();
    }

    @Test
    void refusesKeyFilesThatAreNoSecret() throws IOException {
        Path key = folder.resolve("key");
        assertThatThrownBy(() -> ImageKey.read(key))
                .isInstanceOf(ImageKeyException.class)
                .hasMessage(key + ": key file not found, give the file of the image's key");
        Files.write(key, new byte[31]);
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-------"));
        assertThatThrownBy(() -> ImageKey.read(key))
                .hasMessage(key + ": key file has 31 bytes, 32 to 65536 random ones are allowed");
        Files.write(key, new byte[70_000]);
        assertThatThrownBy(() -> ImageKey.read(key))
                .hasMessage(key + ": key file has more than 65536 bytes, 32 to 65536 random ones are allowed");
        Files.write(key, new byte[32]);
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r-----"));
        assertThatThrownBy(() -> ImageKey.read(key))
                .hasMessage(key + ": others than its owner may use the key file, run 'chmod 600' on it");
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("r--------"));
        assertThat(ImageKey.read(key)).hasToString("key of " + key);
    }

    private static boolean isRefused(byte[] bytes) throws IOException {
        try (var reader = open(bytes, KEY)) {
            return !reader.verify(VerifyReport.Progress.NONE).isSound();
        } catch (CorruptImageException | UnsupportedImageException | ImageKeyException _) {
            return true;
        }
    }

    private int extentsEnd() throws IOException {
        try (var reader = open(image, KEY)) {
            int last = reader.extentCount() - 1;
            return (int) reader.extentOffset(last) + reader.extentLengthBytes(last);
        }
    }
}
