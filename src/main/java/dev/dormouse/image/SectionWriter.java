package dev.dormouse.image;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import dev.dormouse.base.RamBlock;
import dev.dormouse.image.ImageFormat.ChunkEntry;
import dev.dormouse.image.ImageFormat.Footer;
import dev.dormouse.image.ImageFormat.Header;
import dev.dormouse.image.ImageFormat.SectionEntry;
import dev.dormouse.storage.AtomicFile;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/// Writes what follows the extents, then the header, which makes the file an image. One thread.
final class SectionWriter {
    private static final int CHUNK_LEVEL = 1;
    private static final int DEVICE_STATE_LEVEL = 3;

    private final AtomicFile file;
    private final List<Section> sections = new ArrayList<>();
    private final @Nullable EncryptionEnvelope envelope;
    private ByteBuffer metadata = allocate(0);
    private long end;

    /// @param envelope null if the image is not encrypted
    SectionWriter(AtomicFile file, long extentsEnd, @Nullable EncryptionEnvelope envelope) {
        this.file = file;
        this.envelope = envelope;
        sections.add(Section.of(SectionType.EXTENTS, Header.SIZE_BYTES, extentsEnd - Header.SIZE_BYTES, 0));
        this.end = extentsEnd;
    }

    void writeSection(SectionType type, ByteBuffer plain) throws IOException {
        if (type == SectionType.METADATA) {
            metadata = plain.duplicate();
        }
        ByteBuffer bytes = ImageCipher.isEncrypted(type.code()) ? sealed(type, plain) : plain;
        var section = Section.of(type, end, bytes.remaining(), Xxh3.hash64(bytes));
        file.writeFully(bytes, end);
        sections.add(section);
        end = section.end();
    }

    private ByteBuffer sealed(SectionType type, ByteBuffer plain) {
        return envelope == null ? plain : envelope.cipher().sealed(type.code(), end, plain);
    }

    /// Writes the chunks of the page table that are not all zero pages, then their directory.
    void writePageTable(PageTableBuilder pageTable) throws IOException {
        long start = end;
        ByteBuffer directory = allocate(pageTable.chunkCount() * ChunkEntry.SIZE_BYTES);
        ByteBuffer compressed = allocate(ImageFormat.CHUNK_COMPRESSED_BYTES_MAX);
        try (ZstdCompressCtx context = new ZstdCompressCtx()) {
            context.setLevel(CHUNK_LEVEL).setChecksum(false);
            for (int index = 0; index < pageTable.chunkCount(); index++) {
                MemorySegment chunk = pageTable.chunk(index);
                if (chunk != null) {
                    compressed.clear();
                    context.compress(compressed, chunk.asByteBuffer());
                    writeChunk(directory, index * ChunkEntry.SIZE_BYTES, compressed.flip());
                }
            }
        }
        sections.add(Section.of(SectionType.PAGE_TABLE, start, end - start, 0));
        writeSection(SectionType.CHUNK_DIRECTORY, directory);
    }

    private void writeChunk(ByteBuffer directory, int at, ByteBuffer plain) throws IOException {
        ByteBuffer compressed = sealed(SectionType.PAGE_TABLE, plain);
        int lengthBytes = compressed.remaining();
        directory
                .putLong(at + ChunkEntry.OFFSET.offset(), end)
                .putInt(at + ChunkEntry.LENGTH.offset(), lengthBytes)
                .putLong(at + ChunkEntry.CHECKSUM.offset(), Xxh3.hash64(compressed));
        file.writeFully(compressed, end);
        end += lengthBytes;
    }

    void writeRamBlocks(int ramSectionId, List<RamBlock> blocks) throws IOException {
        ByteBuffer bytes = allocate(8 + blocks.size() * (13 + 255));
        bytes.putInt(ramSectionId).putInt(blocks.size());
        for (RamBlock block : blocks) {
            byte[] name = block.name().getBytes(StandardCharsets.US_ASCII);
            bytes.putLong(block.lengthBytes())
                    .putInt(block.pageSizeBytes())
                    .put((byte) name.length)
                    .put(name);
        }
        writeSection(SectionType.RAM_BLOCKS, bytes.flip());
    }

    void writeDeviceState(byte[] state) throws IOException {
        byte[] compressed = Zstd.compress(state, DEVICE_STATE_LEVEL);
        ByteBuffer bytes = allocate(8 + compressed.length);
        writeSection(
                SectionType.DEVICE_STATE,
                bytes.putLong(state.length).put(compressed).flip());
    }

    /// Writes directory, footer and header. Returns the length of the file.
    long finish(int extentPages) throws IOException {
        if (envelope != null) {
            writeSection(SectionType.ENCRYPTION, envelope.encode(directory(), metadata));
        }
        ByteBuffer directory = directory();
        long fileLengthBytes = end + directory.capacity() + Footer.SIZE_BYTES;
        ByteBuffer header = header(extentPages, fileLengthBytes, crc32c(directory));
        ByteBuffer footer = footer(header.getInt(Header.CHECKSUM.offset()));
        file.writeFully(directory, end);
        file.writeFully(footer, fileLengthBytes - Footer.SIZE_BYTES);
        file.writeFully(header, 0);
        return fileLengthBytes;
    }

    private ByteBuffer directory() {
        ByteBuffer directory = allocate(sections.size() * SectionEntry.SIZE_BYTES);
        for (int i = 0; i < sections.size(); i++) {
            sections.get(i).write(directory, i * SectionEntry.SIZE_BYTES);
        }
        return directory;
    }

    private ByteBuffer header(int extentPages, long fileLengthBytes, int directoryChecksum) {
        ByteBuffer header = allocate(Header.SIZE_BYTES)
                .putLong(Header.MAGIC.offset(), ImageFormat.HEADER_MAGIC)
                .putInt(Header.VERSION.offset(), ImageFormat.VERSION)
                .putInt(Header.PAGE_SIZE.offset(), ImageFormat.PAGE_BYTES)
                .putInt(Header.EXTENT_PAGES.offset(), extentPages)
                .putLong(Header.FILE_LENGTH.offset(), fileLengthBytes)
                .putLong(Header.DIRECTORY_OFFSET.offset(), end)
                .putInt(Header.SECTION_COUNT.offset(), sections.size())
                .putInt(Header.DIRECTORY_CHECKSUM.offset(), directoryChecksum);
        return header.putInt(Header.CHECKSUM.offset(), crc32c(header.slice(0, Header.CHECKSUM.offset())));
    }

    private static ByteBuffer footer(int headerChecksum) {
        ByteBuffer footer = allocate(Footer.SIZE_BYTES)
                .putLong(Footer.MAGIC.offset(), ImageFormat.FOOTER_MAGIC)
                .putInt(Footer.HEADER_CHECKSUM.offset(), headerChecksum);
        return footer.putInt(Footer.CHECKSUM.offset(), crc32c(footer.slice(0, Footer.CHECKSUM.offset())));
    }

    static int crc32c(ByteBuffer bytes) {
        var crc = new CRC32C();
        crc.update(bytes.duplicate());
        return (int) crc.getValue();
    }

    private static ByteBuffer allocate(int lengthBytes) {
        return ByteBuffer.allocateDirect(lengthBytes).order(ImageFormat.ORDER);
    }
}
