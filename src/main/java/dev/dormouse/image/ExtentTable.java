package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.ExtentEntry;
import java.io.IOException;
import java.nio.ByteBuffer;

/// Where the extents are. Read and checked when the image is opened; outside the heap, 24 bytes for an
/// extent. Any thread.
final class ExtentTable {
    private final ByteBuffer entries;
    private final int count;

    private ExtentTable(ByteBuffer entries) {
        this.entries = entries;
        this.count = entries.capacity() / ExtentEntry.SIZE_BYTES;
    }

    static ExtentTable read(ImageFile in, SectionDirectory directory, int extentPages) throws IOException {
        Section section = directory.section(SectionType.EXTENT_TABLE);
        long lengthBytes = directory.plainLengthBytes(SectionType.EXTENT_TABLE);
        in.check(
                lengthBytes % ExtentEntry.SIZE_BYTES == 0,
                section.offset(),
                "extent table has %d bytes, not a multiple of %d",
                lengthBytes,
                ExtentEntry.SIZE_BYTES);
        var table = new ExtentTable(directory.read(SectionType.EXTENT_TABLE));
        table.check(in, section.offset(), directory.section(SectionType.EXTENTS), extentPages, directory.tagBytes());
        return table;
    }

    /// Extents fill their section without gap or overlap, and all but the last are full.
    private void check(ImageFile in, long position, Section extents, int extentPages, int tagBytes) throws IOException {
        long end = extents.offset();
        for (int extent = 0; extent < count; extent++) {
            long at = position + (long) extent * ExtentEntry.SIZE_BYTES;
            int pages = pageCount(extent);
            boolean last = extent == count - 1;
            if (pages < 1 || pages > extentPages || (!last && pages < extentPages)) {
                throw in.corrupt(at, "extent %d has %d pages of %d", extent, pages, extentPages);
            }
            int plainBytes = pages * ImageFormat.PAGE_BYTES;
            int length = lengthBytes(extent) - tagBytes;
            boolean lengthFits = switch (encoding(extent)) {
                case ExtentEntry.ENCODING_ZSTD -> length > 0 && length < plainBytes;
                case ExtentEntry.ENCODING_RAW -> length == plainBytes;
                default -> throw in.corrupt(at, "extent %d has encoding %d", extent, encoding(extent));
            };
            if (!lengthFits) {
                throw in.corrupt(at, "extent %d has %d bytes for %d pages", extent, length, pages);
            }
            if (offset(extent) != end || reserved(extent) != 0) {
                throw in.corrupt(at, "extent %d is at %d, not at %d", extent, offset(extent), end);
            }
            end += lengthBytes(extent);
        }
        in.check(end == extents.end(), position, "extents end at %d, their section at %d", end, extents.end());
    }

    int count() {
        return count;
    }

    long offset(int extent) {
        return entries.getLong(extent * ExtentEntry.SIZE_BYTES + ExtentEntry.OFFSET.offset());
    }

    int lengthBytes(int extent) {
        return entries.getInt(extent * ExtentEntry.SIZE_BYTES + ExtentEntry.LENGTH.offset());
    }

    int pageCount(int extent) {
        return entries.get(extent * ExtentEntry.SIZE_BYTES + ExtentEntry.PAGE_COUNT.offset()) & 0xff;
    }

    boolean isCompressed(int extent) {
        return encoding(extent) == ExtentEntry.ENCODING_ZSTD;
    }

    long checksum(int extent) {
        return entries.getLong(extent * ExtentEntry.SIZE_BYTES + ExtentEntry.CHECKSUM.offset());
    }

    private int encoding(int extent) {
        return entries.get(extent * ExtentEntry.SIZE_BYTES + ExtentEntry.ENCODING.offset()) & 0xff;
    }

    private int reserved(int extent) {
        return entries.getShort(extent * ExtentEntry.SIZE_BYTES + ExtentEntry.RESERVED.offset());
    }
}
