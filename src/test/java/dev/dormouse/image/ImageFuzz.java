package dev.dormouse.image;

import com.github.luben.zstd.Zstd;
import dev.dormouse.image.ImageFormat.ChunkEntry;
import dev.dormouse.image.ImageFormat.ExtentEntry;
import dev.dormouse.image.ImageFormat.Footer;
import dev.dormouse.image.ImageFormat.Header;
import dev.dormouse.image.ImageFormat.SectionEntry;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Fuzz target: a file is opened and everything in it is read.
///
/// Invariants: it is an image, or it is refused with one of the two errors made for that; nothing else is ever
/// thrown, and what is allocated is in proportion to the file.
///
/// The first byte says whether the rest is the file as it is (0), or is given right checksums before (1): behind
/// wrong ones nothing is ever reached, and somebody hostile would make them right, too.
public final class ImageFuzz {
    private static final Path FILE = Path.of("fuzz.img");

    private ImageFuzz() {}

    public static void fuzzerTestOneInput(byte[] data) throws IOException {
        if (data.length == 0) {
            return;
        }
        byte[] file = Arrays.copyOfRange(data, 1, data.length);
        if (data[0] == 1) {
            correctChecksums(ByteBuffer.wrap(file).order(ImageFormat.ORDER));
        }
        try (var image = ImageReader.open(new BytesAsFile(file), FILE, _ -> GoldenImage.KEY)) {
            if (image.frameCount() <= 1 << 20) { // Longer ones only take longer.
                readAll(image);
            }
        } catch (CorruptImageException | UnsupportedImageException | ImageKeyException e) {
            if (e.getMessage().indexOf('\n') >= 0) {
                throw new AssertionError("error of several lines", e);
            }
        }
    }

    private static void readAll(ImageReader image) throws IOException {
        image.verify(VerifyReport.Progress.NONE);
        ImageInspection.of(image);
        image.deviceState();
        image.configuration();
        image.forEachNonZero((frame, _, _, _) -> image.checksum(frame));
        for (int extent = 0; extent < image.extentCount(); extent++) {
            image.framesOfExtent(extent);
            image.duplicatesOfExtent(extent);
        }
    }

    /// From the inside out: parts, their tables, sections, directory, header, footer. Wherever a length or an
    /// offset makes no sense the bytes stay as they are.
    private static void correctChecksums(ByteBuffer file) {
        int length = file.capacity();
        if (length < Header.SIZE_BYTES + Footer.SIZE_BYTES) {
            return;
        }
        file.putLong(Header.FILE_LENGTH.offset(), length);
        long directory = file.getLong(Header.DIRECTORY_OFFSET.offset());
        long directoryBytes =
                Integer.toUnsignedLong(file.getInt(Header.SECTION_COUNT.offset())) * SectionEntry.SIZE_BYTES;
        if (isInside(file, directory, directoryBytes)) {
            for (int at = (int) directory; at < directory + directoryBytes; at += SectionEntry.SIZE_BYTES) {
                correctSection(file, at);
            }
            int checksum = SectionWriter.crc32c(file.slice((int) directory, (int) directoryBytes));
            file.putInt(Header.DIRECTORY_CHECKSUM.offset(), checksum);
        }
        int checksum = SectionWriter.crc32c(file.slice(0, Header.CHECKSUM.offset()));
        int footer = length - Footer.SIZE_BYTES;
        file.putInt(Header.CHECKSUM.offset(), checksum).putInt(footer + Footer.HEADER_CHECKSUM.offset(), checksum);
        file.putInt(
                footer + Footer.CHECKSUM.offset(), SectionWriter.crc32c(file.slice(footer, Footer.CHECKSUM.offset())));
    }

    private static void correctSection(ByteBuffer file, int entry) {
        Section section = Section.read(file, entry);
        if (!isInside(file, section.offset(), section.lengthBytes()) || section.has(SectionEntry.FLAG_IN_PARTS)) {
            return;
        }
        int start = (int) section.offset();
        int end = (int) section.end();
        if (section.code() == SectionType.EXTENT_TABLE.code()) {
            for (int at = start; at + ExtentEntry.SIZE_BYTES <= end; at += ExtentEntry.SIZE_BYTES) {
                correctPart(file, at, at + ExtentEntry.CHECKSUM.offset());
            }
        }
        if (section.code() == SectionType.CHUNK_DIRECTORY.code()) {
            for (int at = start; at + ChunkEntry.SIZE_BYTES <= end; at += ChunkEntry.SIZE_BYTES) {
                correctPart(file, at, at + ChunkEntry.CHECKSUM.offset());
            }
        }
        long checksum = Xxh3.hash64(file.slice(start, end - start));
        file.putLong(entry + SectionEntry.CHECKSUM.offset(), checksum);
    }

    /// Entries of extents and of chunks begin alike: offset, then length.
    private static void correctPart(ByteBuffer file, int entry, int checksumAt) {
        long offset = file.getLong(entry + ChunkEntry.OFFSET.offset());
        int length = file.getInt(entry + ChunkEntry.LENGTH.offset());
        if (length > 0 && isInside(file, offset, length)) {
            file.putLong(checksumAt, Xxh3.hash64(file.slice((int) offset, length)));
        }
    }

    private static boolean isInside(ByteBuffer file, long offset, long length) {
        return offset >= 0 && length >= 0 && length <= file.capacity() && offset <= file.capacity() - length;
    }

    /// {@return inputs to begin with: small images as they are and to be corrected}
    public static List<byte[]> seeds(Path folder) throws IOException {
        var seeds = new ArrayList<byte[]>();
        Path tiny = folder.resolve("tiny.img");
        GoldenImage.writeTiny(tiny);
        Path small = folder.resolve("small.img");
        writeSmall(small);
        for (Path file : List.of(tiny, small)) {
            byte[] image = Files.readAllBytes(file);
            seeds.add(prefixed(0, image));
            seeds.add(prefixed(1, image));
            seeds.add(prefixed(1, withPlainChunk(image)));
        }
        Path encrypted = folder.resolve("encrypted.img");
        GoldenImage.writeEncrypted(encrypted);
        seeds.add(prefixed(0, Files.readAllBytes(encrypted)));
        return seeds;
    }

    /// As the small golden image, with few pages and extents of one: most of its bytes are tables.
    private static void writeSmall(Path file) throws IOException {
        var blocks = List.of(
                new dev.dormouse.base.RamBlock("pc.ram", 20 * 4096L), new dev.dormouse.base.RamBlock("rom", 4096));
        try (var writer = ImageWriter.create(
                dev.dormouse.storage.Storage.fileSystem(),
                file,
                blocks,
                WriterOptions.defaults().withExtentPages(2))) {
            for (int frame = 0; frame < 3; frame++) {
                writer.addPage(0, frame, GoldenImage.page(frame));
            }
            writer.addPage(0, 7, GoldenImage.page(1));
            writer.addOnDisk(0, 9, 1, 77, 42);
            writer.setDiskBlockCounts(0, 100);
            writer.setHeatOrder(FrameRanges.of(0, 1, 7));
            writer.setWorkingSet(new WorkingSet(List.of(
                    new WorkingSet.Group(0, FrameRanges.of(0, 3)), new WorkingSet.Group(9, FrameRanges.of(8, 20)))));
            writer.setMetadata(GoldenImage.METADATA);
            writer.setConfiguration(GoldenImage.CONFIGURATION);
            writer.setDeviceState(GoldenImage.DEVICE_STATE);
            writer.publish();
        }
    }

    /// The same image with its page table in a zstd frame that is not compressed, so that entries can be changed.
    private static byte[] withPlainChunk(byte[] image) {
        ByteBuffer file = ByteBuffer.wrap(image).order(ImageFormat.ORDER);
        int directory = (int) file.getLong(Header.DIRECTORY_OFFSET.offset());
        byte[] chunk = null;
        int sectionBytes = 0;
        for (int i = 0; i < file.getInt(Header.SECTION_COUNT.offset()); i++) {
            Section section = Section.read(file, directory + i * SectionEntry.SIZE_BYTES);
            if (section.code() == SectionType.PAGE_TABLE.code()) {
                chunk = Arrays.copyOfRange(image, (int) section.offset(), (int) section.end());
            } else {
                sectionBytes += (int) section.lengthBytes();
            }
        }
        byte[] plain = Zstd.decompress(chunk, ImageFormat.CHUNK_ENTRIES * 16);
        // Magic, descriptor of a single segment with a length of two bytes (minus 256), one last raw block.
        int blockHeader = plain.length << 3 | 1;
        ByteBuffer frame = ByteBuffer.allocate(plain.length + 12).order(ImageFormat.ORDER);
        if (plain.length < 256) {
            frame.putInt(0xfd2fb528).put((byte) 0x20).put((byte) plain.length);
        } else {
            frame.putInt(0xfd2fb528).put((byte) 0x60).putShort((short) (plain.length - 256));
        }
        frame.put((byte) blockHeader)
                .put((byte) (blockHeader >> 8))
                .put((byte) (blockHeader >> 16))
                .put(plain);
        byte[] bytes = Arrays.copyOf(frame.array(), frame.position());
        ByteBuffer entry = ByteBuffer.allocate(ChunkEntry.SIZE_BYTES).order(ImageFormat.ORDER);
        entry.putLong(ChunkEntry.OFFSET.offset(), Header.SIZE_BYTES + sectionBytes)
                .putInt(ChunkEntry.LENGTH.offset(), bytes.length)
                .putLong(ChunkEntry.CHECKSUM.offset(), Xxh3.hash64(ByteBuffer.wrap(bytes)));
        return new PatchedImage(image)
                .with(SectionType.CHUNK_DIRECTORY.code(), 0, entry.array())
                .with(SectionType.PAGE_TABLE.code(), SectionEntry.FLAG_IN_PARTS, bytes)
                .bytes();
    }

    private static byte[] prefixed(int first, byte[] rest) {
        byte[] bytes = new byte[rest.length + 1];
        bytes[0] = (byte) first;
        System.arraycopy(rest, 0, bytes, 1, rest.length);
        return bytes;
    }
}
