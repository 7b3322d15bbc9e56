package dev.dormouse.image;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import com.github.luben.zstd.ZstdDecompressCtx;
import com.github.luben.zstd.ZstdException;
import dev.dormouse.image.ImageFormat.ChunkEntry;
import dev.dormouse.image.ImageFormat.PageEntry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReferenceArray;

/// The page table of an image that is read. A chunk is read, checked as a whole and kept, outside the
/// heap, when the first of its frames is asked for; one of zero pages only takes no memory. Any thread.
final class PageTable implements AutoCloseable {
    private static final ValueLayout.OfLong WORD = JAVA_LONG_UNALIGNED.withOrder(ImageFormat.ORDER);

    private final ImageFile in;
    private final SectionDirectory sections;
    private final ByteBuffer directory;
    private final ExtentTable extents;
    private final DiskBlockCounts disks;
    private final long frameCount;
    private final AtomicReferenceArray<MemorySegment> chunks;
    private final Arena arena = Arena.ofShared();
    private final Object loading = new Object();
    // Of whoever loads a chunk; made anew for each they would cost more than what they are for.
    private final ZstdDecompressCtx context = new ZstdDecompressCtx();
    private ByteBuffer compressed = ByteBuffer.allocateDirect(0);

    private PageTable(
            ImageFile in,
            SectionDirectory sections,
            ByteBuffer directory,
            ExtentTable extents,
            DiskBlockCounts disks,
            long frameCount) {
        this.in = in;
        this.sections = sections;
        this.directory = directory;
        this.extents = extents;
        this.disks = disks;
        this.frameCount = frameCount;
        this.chunks = new AtomicReferenceArray<>(Math.toIntExact(ImageFormat.chunkCount(frameCount)));
    }

    static PageTable read(
            ImageFile in, SectionDirectory sections, ExtentTable extents, DiskBlockCounts disks, long frameCount)
            throws IOException {
        Section section = sections.section(SectionType.CHUNK_DIRECTORY);
        long expectedBytes = ImageFormat.chunkCount(frameCount) * ChunkEntry.SIZE_BYTES;
        long lengthBytes = sections.plainLengthBytes(SectionType.CHUNK_DIRECTORY);
        in.check(
                lengthBytes == expectedBytes,
                section.offset(),
                "chunk directory has %d bytes, %d pages need %d",
                lengthBytes,
                frameCount,
                expectedBytes);
        var table = new PageTable(in, sections, sections.read(SectionType.CHUNK_DIRECTORY), extents, disks, frameCount);
        table.checkDirectory(section.offset(), sections.section(SectionType.PAGE_TABLE));
        return table;
    }

    /// Chunks fill their section without gap or overlap; those of zero pages are not in it.
    private void checkDirectory(long position, Section chunkSection) throws IOException {
        long end = chunkSection.offset();
        for (int chunk = 0; chunk < chunks.length(); chunk++) {
            long at = position + (long) chunk * ChunkEntry.SIZE_BYTES;
            int length = lengthBytes(chunk);
            in.check(reserved(chunk) == 0, at, "reserved bytes of chunk %d are not zero", chunk);
            if (length == 0) {
                in.check(offset(chunk) == 0 && checksum(chunk) == 0, at, "empty chunk %d has a place", chunk);
                continue;
            }
            in.check(
                    length > sections.tagBytes()
                            && length <= ImageFormat.CHUNK_COMPRESSED_BYTES_MAX + sections.tagBytes()
                            && offset(chunk) == end,
                    at,
                    "chunk %d has %d bytes at %d, expected at %d",
                    chunk,
                    length,
                    offset(chunk),
                    end);
            end += length;
        }
        in.check(end == chunkSection.end(), position, "chunks end at %d, their section at %d", end, chunkSection.end());
    }

    int chunkCount() {
        return chunks.length();
    }

    /// {@return whether the chunk takes no bytes of the file}
    boolean isAllZero(int chunk) {
        return lengthBytes(chunk) == 0;
    }

    int lengthBytes(int chunk) {
        return directory.getInt(chunk * ChunkEntry.SIZE_BYTES + ChunkEntry.LENGTH.offset());
    }

    long locator(long frame) throws IOException {
        int index = chunkIndex(frame);
        return isAllZero(index) ? PageLocator.ZERO : chunk(index).getAtIndex(WORD, entryIndex(frame));
    }

    /// {@return what the file says: 0 for a zero page}
    long storedChecksum(long frame) throws IOException {
        int index = chunkIndex(frame);
        return isAllZero(index) ? 0 : chunk(index).getAtIndex(WORD, entries(index) + entryIndex(frame));
    }

    private MemorySegment chunk(int index) throws IOException {
        MemorySegment chunk = chunks.getAcquire(index);
        return chunk != null ? chunk : load(index);
    }

    private MemorySegment load(int index) throws IOException {
        synchronized (loading) {
            MemorySegment loaded = chunks.getAcquire(index);
            if (loaded != null) {
                return loaded;
            }
            MemorySegment chunk = decode(index);
            checkEntries(chunk, index);
            chunks.setRelease(index, chunk);
            return chunk;
        }
    }

    private MemorySegment decode(int index) throws IOException {
        String name = "page table chunk " + index;
        if (compressed.capacity() < lengthBytes(index)) {
            compressed = ByteBuffer.allocateDirect(ImageFormat.CHUNK_COMPRESSED_BYTES_MAX + sections.tagBytes());
        }
        in.readChecked(name, compressed.clear().limit(lengthBytes(index)), offset(index), checksum(index));
        ByteBuffer plain = sections.open(name, SectionType.PAGE_TABLE, offset(index), compressed);
        long expectedBytes = (long) entries(index) * PageEntry.SIZE_BYTES;
        MemorySegment chunk = arena.allocate(expectedBytes, 8);
        try {
            int length = context.decompress(chunk.asByteBuffer(), plain);
            in.check(length == expectedBytes, offset(index), "%s has %d bytes, not %d", name, length, expectedBytes);
        } catch (ZstdException e) {
            throw new CorruptImageException(in.path(), offset(index), name + " cannot be decompressed", e);
        }
        return chunk;
    }

    /// After it, nobody needs to check an entry again.
    private void checkEntries(MemorySegment chunk, int index) throws IOException {
        int entries = entries(index);
        long extent = -1; // The one that was looked up last: most entries are of the same as the one before.
        int slots = 0;
        for (int i = 0; i < entries; i++) {
            long locator = chunk.getAtIndex(WORD, i);
            int code = PageLocator.classCode(locator);
            boolean valid;
            if (locator == PageLocator.ZERO) {
                valid = chunk.getAtIndex(WORD, entries + i) == 0;
            } else if (code == PageClass.STORED.code() || code == PageClass.DUPLICATE.code()) {
                if (PageLocator.location(locator) != extent) {
                    extent = PageLocator.location(locator);
                    slots = extent < extents.count() ? extents.pageCount((int) extent) : 0;
                }
                valid = PageLocator.slot(locator) < slots;
            } else {
                valid = code == PageClass.ON_DISK.code()
                        && disks.contains(PageLocator.slot(locator), PageLocator.location(locator));
            }
            if (!valid) {
                long frame = (long) index * ImageFormat.CHUNK_ENTRIES + i;
                throw in.corrupt(offset(index), "page table entry of frame %d is %#x", frame, locator);
            }
        }
    }

    /// What [#forEachNonZero] calls for each page.
    @FunctionalInterface
    interface Visitor {
        void visit(long frame, long locator) throws IOException;
    }

    /// Visits the pages that are not zero in ascending order.
    void forEachNonZero(Visitor visitor) throws IOException {
        for (int index = 0; index < chunks.length(); index++) {
            if (!isAllZero(index)) {
                forEachNonZero(index, visitor);
            }
        }
    }

    private void forEachNonZero(int index, Visitor visitor) throws IOException {
        MemorySegment chunk = chunk(index);
        long first = (long) index * ImageFormat.CHUNK_ENTRIES;
        int entries = entries(index);
        for (int i = 0; i < entries; i++) {
            long locator = chunk.getAtIndex(WORD, i);
            if (locator != PageLocator.ZERO) {
                visitor.visit(first + i, locator);
            }
        }
    }

    private int entries(int chunk) {
        return ImageFormat.chunkEntries(frameCount, chunk);
    }

    private long offset(int chunk) {
        return directory.getLong(chunk * ChunkEntry.SIZE_BYTES + ChunkEntry.OFFSET.offset());
    }

    private int reserved(int chunk) {
        return directory.getInt(chunk * ChunkEntry.SIZE_BYTES + ChunkEntry.RESERVED.offset());
    }

    private long checksum(int chunk) {
        return directory.getLong(chunk * ChunkEntry.SIZE_BYTES + ChunkEntry.CHECKSUM.offset());
    }

    private static int chunkIndex(long frame) {
        return (int) (frame / ImageFormat.CHUNK_ENTRIES);
    }

    private static int entryIndex(long frame) {
        return (int) (frame % ImageFormat.CHUNK_ENTRIES);
    }

    @Override
    public void close() {
        arena.close();
        context.close();
    }
}
