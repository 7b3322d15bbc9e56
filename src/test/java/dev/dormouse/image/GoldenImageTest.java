package dev.dormouse.image;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Images that earlier builds wrote are read for ever, and verify.
class GoldenImageTest {
    @TempDir
    Path directory;

    @Test
    void readsTheGoldenImage() throws IOException {
        try (var image = ImageReader.open(golden(GoldenImage.SMALL))) {
            assertThat(image.version()).isEqualTo(1);
            assertThat(image.metadata()).isEqualTo(GoldenImage.METADATA);
            assertThat(image.configuration()).isEqualTo(GoldenImage.CONFIGURATION);
            assertThat(image.deviceState()).isEqualTo(GoldenImage.DEVICE_STATE);
            assertThat(image.ramSectionId()).isEqualTo(GoldenImage.RAM_SECTION_ID);
            assertThat(image.ramBlocks()).isEqualTo(GoldenImage.BLOCKS);
            assertThat(ImageInspection.of(image).pages()).isEqualTo(new ImageInspection.Pages(5002, 4992, 1, 2, 7));
            assertThat(image.workingSet()).contains(GoldenImage.WORKING_SET);
            assertThat(image.heatOrder()).contains(GoldenImage.HEAT);
            assertThat(image.diskCount()).isEqualTo(2);
            assertThat(image.diskBlockCount(1)).isEqualTo(200_000);
            assertThat(image.verify(VerifyReport.Progress.NONE).damages()).isEmpty();
        }
    }

    @Test
    void readsThePagesOfTheGoldenImage() throws IOException {
        try (var image = ImageReader.open(golden(GoldenImage.SMALL));
                ExtentBuffer buffer = image.newExtentBuffer()) {
            for (int frame = 0; frame < 7; frame++) {
                image.readExtent(image.extentIndex(frame), buffer);
                assertThat(buffer.page(image.slot(frame))).isEqualTo(GoldenImage.page(frame));
            }
            image.verifyPage(4999, GoldenImage.page(2));
            image.verifyPage(5001, GoldenImage.page(3));
            assertThat(image.pageClass(5001)).isEqualTo(PageClass.DUPLICATE);
            assertThat(image.disk(4100)).isEqualTo(1);
            assertThat(image.diskBlock(4100)).isEqualTo(123_456);
            assertThat(image.checksum(4100)).isEqualTo(0x0123_4567_89ab_cdefL);
        }
    }

    @Test
    void stillWritesTheGoldenImages() throws IOException {
        Path small = directory.resolve("written-small.img");
        Path tiny = directory.resolve("written-tiny.img");

        GoldenImage.writeSmall(small);
        GoldenImage.writeTiny(tiny);

        assertThat(small).hasSameBinaryContentAs(golden(GoldenImage.SMALL));
        assertThat(tiny).hasSameBinaryContentAs(golden(GoldenImage.TINY));
        Path encrypted = directory.resolve("written-encrypted.img");
        GoldenImage.writeEncrypted(encrypted);
        assertThat(encrypted).hasSameBinaryContentAs(golden(GoldenImage.ENCRYPTED));
    }

    /// The golden image has every kind of part: whichever bit flips, somebody notices. Of the extents, which
    /// are most of it and all alike, a sample is enough.
    @Test
    void anyFlippedBitIsFoundByTheVerifierAtTheLatest() throws IOException {
        byte[] sound = Files.readAllBytes(golden(GoldenImage.SMALL));
        var storage = new BytesAsFile(sound);
        int extentsEnd;
        try (var image = ImageReader.open(storage, Path.of("golden"))) {
            int last = image.extentCount() - 1;
            extentsEnd = (int) image.extentOffset(last) + image.extentLengthBytes(last);
        }
        for (int bit = 0; bit < sound.length * 8; bit += bit / 8 >= 64 && bit / 8 < extentsEnd ? 101 : 1) {
            sound[bit / 8] ^= (byte) (1 << (bit % 8));
            assertThat(findsDamage(storage)).as("bit %d", bit).isTrue();
            sound[bit / 8] ^= (byte) (1 << (bit % 8));
        }
        assertThat(findsDamage(storage)).isFalse();
    }

    private static boolean findsDamage(BytesAsFile storage) throws IOException {
        try (var image = ImageReader.open(storage, Path.of("golden"))) {
            ImageInspection.of(image);
            return !image.verify(VerifyReport.Progress.NONE).isSound();
        } catch (CorruptImageException | UnsupportedImageException _) {
            return true;
        }
    }

    private Path golden(String name) throws IOException {
        Path copy = directory.resolve(name);
        try (InputStream in =
                Objects.requireNonNull(GoldenImageTest.class.getResourceAsStream("/golden/image/v1/" + name))) {
            Files.copy(in, copy);
        }
        return copy;
    }
}
