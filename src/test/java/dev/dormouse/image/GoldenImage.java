package dev.dormouse.image;

import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;

/// Writes the golden images, one of each kind of everything. A program: the argument is the directory
/// `src/test/resources/golden/image/v1`. Version 1 is frozen: run it only to add an image, never to
/// replace one.
final class GoldenImage {
    static final String SMALL = "small.img";
    static final String TINY = "tiny.img";
    static final String ENCRYPTED = "encrypted.img";

    /// Of the encrypted one.
    static final ImageKey KEY = ImageKey.of(
            "golden.key", "the key of the golden image, 32 bytes or more".getBytes(StandardCharsets.US_ASCII));

    static final String METADATA = "{\"vm\":\"golden\"}";
    static final byte[] CONFIGURATION = {7, 0, 0, 0, 6, 'p', 'c', '-', 'q', '3', '5'};
    static final byte[] DEVICE_STATE = "device state ".repeat(50).getBytes(StandardCharsets.US_ASCII);
    static final int RAM_SECTION_ID = 2;
    static final int RAM_PAGES = 5000;
    static final List<RamBlock> BLOCKS =
            List.of(new RamBlock("pc.ram", RAM_PAGES * 4096L), new RamBlock("pc.rom", 2 * 4096));

    static final long[] DISK_BLOCKS = {0, 200_000};
    static final FrameRanges HEAT = FrameRanges.of(0, 1, 2, 300, 4999, 5001);
    static final WorkingSet WORKING_SET = new WorkingSet(List.of(
            new WorkingSet.Group(0, FrameRanges.of(0, 4100, 5000)),
            new WorkingSet.Group(
                    100,
                    FrameRanges.builder().addRange(1, 6).addRange(200, 4000).build()),
            new WorkingSet.Group(4_000_000_000L, FrameRanges.of(4999))));

    private GoldenImage() {}

    public static void main(String[] arguments) throws IOException {
        writeSmall(Path.of(arguments[0], SMALL));
        writeTiny(Path.of(arguments[0], TINY));
        writeEncrypted(Path.of(arguments[0], ENCRYPTED));
    }

    /// All page classes, all sections, both encodings of extents, a last extent that is not full, chunks with and
    /// without bytes.
    static void writeSmall(Path file) throws IOException {
        write(file, WriterOptions.defaults().withExtentPages(4), bytes -> {});
    }

    /// As [#writeSmall], encrypted.
    static void writeEncrypted(Path file) throws IOException {
        var random = new SplittableRandom(7); // What is drawn at random is the same each time.
        write(file, WriterOptions.defaults().withExtentPages(4).withKey(KEY), random::nextBytes);
    }

    private static void write(Path file, WriterOptions options, EncryptionEnvelope.Randomness randomness)
            throws IOException {
        try (var writer = ImageWriter.create(Storage.fileSystem(), file, BLOCKS, options, randomness)) {
            for (int frame = 0; frame < 7; frame++) {
                writer.addPage(0, frame, page(frame));
            }
            writer.addPage(0, 4999, page(2));
            writer.addOnDisk(0, 4100, 1, 123_456, 0x0123_4567_89ab_cdefL);
            writer.addPage(1, 1, page(3));
            writer.setDiskBlockCounts(DISK_BLOCKS);
            writer.setHeatOrder(HEAT);
            writer.setWorkingSet(WORKING_SET);
            writer.setMetadata(METADATA);
            writer.setConfiguration(CONFIGURATION);
            writer.setDeviceState(DEVICE_STATE);
            writer.setRamSectionId(RAM_SECTION_ID);
            writer.publish();
        }
    }

    /// The image whose bytes `docs/image-format.md` explains: two pages, the second of them stored.
    static void writeTiny(Path file) throws IOException {
        var blocks = List.of(new RamBlock("ram", 2 * 4096));
        try (var writer = ImageWriter.create(
                Storage.fileSystem(), file, blocks, WriterOptions.defaults().withExtentPages(16))) {
            byte[] page = "dormouse".repeat(512).getBytes(StandardCharsets.US_ASCII);
            writer.addPage(0, 1, ByteBuffer.wrap(page));
            writer.setRamSectionId(RAM_SECTION_ID);
            writer.publish();
        }
    }

    /// {@return the content of a stored page: from number 4 on it cannot be compressed}
    static ByteBuffer page(int number) {
        var bytes = new byte[4096];
        if (number < 4) {
            java.util.Arrays.fill(bytes, (byte) ('a' + number));
        } else {
            new SplittableRandom(number).nextBytes(bytes);
        }
        return ByteBuffer.wrap(bytes);
    }
}
