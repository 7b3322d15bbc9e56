package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.Footer;
import dev.dormouse.image.ImageFormat.Header;
import java.io.IOException;
import java.nio.ByteBuffer;

/// The first 64 bytes of an image, readable without the rest; the layout is in [ImageFormat.Header].
record ImageHeader(
        int version, int extentPages, long directoryOffset, int sectionCount, int directoryChecksum, int checksum) {

    /// Reads header and footer, which together say that the file is whole.
    static ImageHeader read(ImageFile in) throws IOException {
        long lengthBytes = in.lengthBytes();
        int smallest = Header.SIZE_BYTES + Footer.SIZE_BYTES;
        in.check(lengthBytes >= smallest, lengthBytes, "file ends here, an image has at least %d bytes", smallest);
        ByteBuffer bytes = in.read(0, Header.SIZE_BYTES);
        long magic = bytes.getLong(Header.MAGIC.offset());
        in.check(
                magic == ImageFormat.HEADER_MAGIC,
                0,
                "magic is %#x, not %#x: this is no checkpoint image",
                magic,
                ImageFormat.HEADER_MAGIC);
        checkVersion(in, Integer.toUnsignedLong(bytes.getInt(Header.VERSION.offset())));
        checkChecksum(in, bytes, 0, Header.CHECKSUM.offset(), "header");
        ImageHeader header = parse(in, bytes);
        header.checkFooter(in);
        return header;
    }

    private static ImageHeader parse(ImageFile in, ByteBuffer bytes) throws IOException {
        int version = bytes.getInt(Header.VERSION.offset());
        int flags = bytes.getInt(Header.FLAGS.offset());
        if (flags != 0) {
            String feature = "the header flags 0x" + Integer.toHexString(flags);
            throw UnsupportedImageException.feature(in.path(), version, feature);
        }
        int pageSizeBytes = bytes.getInt(Header.PAGE_SIZE.offset());
        if (pageSizeBytes != ImageFormat.PAGE_BYTES) {
            String feature = "pages of " + Integer.toUnsignedString(pageSizeBytes) + " bytes";
            throw UnsupportedImageException.feature(in.path(), version, feature);
        }
        var header = new ImageHeader(
                version,
                bytes.getInt(Header.EXTENT_PAGES.offset()),
                bytes.getLong(Header.DIRECTORY_OFFSET.offset()),
                bytes.getInt(Header.SECTION_COUNT.offset()),
                bytes.getInt(Header.DIRECTORY_CHECKSUM.offset()),
                bytes.getInt(Header.CHECKSUM.offset()));
        header.check(in, bytes.getLong(Header.FILE_LENGTH.offset()));
        boolean reservedZero = bytes.getLong(Header.RESERVED.offset()) == 0
                && bytes.getInt(Header.RESERVED.offset() + Long.BYTES) == 0;
        in.check(reservedZero, Header.RESERVED.offset(), "reserved bytes of the header are not zero");
        return header;
    }

    private void check(ImageFile in, long fileLengthBytes) throws IOException {
        in.check(
                extentPages >= 1 && extentPages <= ImageFormat.EXTENT_PAGES_MAX,
                Header.EXTENT_PAGES.offset(),
                "extents have %d pages, 1 to %d are allowed",
                extentPages,
                ImageFormat.EXTENT_PAGES_MAX);
        in.check(
                fileLengthBytes == in.lengthBytes(),
                Math.min(Math.max(fileLengthBytes, 0), in.lengthBytes()),
                "file has %d bytes, the header says %d",
                in.lengthBytes(),
                fileLengthBytes);
        in.check(
                sectionCount >= 1 && sectionCount <= ImageFormat.SECTIONS_MAX,
                Header.SECTION_COUNT.offset(),
                "image has %d sections, 1 to %d are allowed",
                sectionCount,
                ImageFormat.SECTIONS_MAX);
        long directoryEnd = fileLengthBytes - Footer.SIZE_BYTES;
        in.check(
                directoryOffset == directoryEnd - directoryBytes() && directoryOffset >= Header.SIZE_BYTES,
                Header.DIRECTORY_OFFSET.offset(),
                "directory of %d bytes is at %d, not directly before the footer at %d",
                directoryBytes(),
                directoryOffset,
                directoryEnd);
    }

    int directoryBytes() {
        return sectionCount * ImageFormat.SectionEntry.SIZE_BYTES;
    }

    private void checkFooter(ImageFile in) throws IOException {
        long position = in.lengthBytes() - Footer.SIZE_BYTES;
        ByteBuffer bytes = in.read(position, Footer.SIZE_BYTES);
        long magic = bytes.getLong(Footer.MAGIC.offset());
        in.check(
                magic == ImageFormat.FOOTER_MAGIC,
                position,
                "magic of the footer is %#x, not %#x",
                magic,
                ImageFormat.FOOTER_MAGIC);
        checkChecksum(in, bytes, position, Footer.CHECKSUM.offset(), "footer");
        int stated = bytes.getInt(Footer.HEADER_CHECKSUM.offset());
        in.check(
                stated == checksum,
                position + Footer.HEADER_CHECKSUM.offset(),
                "footer belongs to a header with checksum %#x, not %#x",
                stated,
                checksum);
    }

    private static void checkVersion(ImageFile in, long version) throws IOException {
        // Before anything else is looked at: another version may be laid out otherwise.
        if (version < ImageFormat.VERSION_MIN || version > ImageFormat.VERSION) {
            throw UnsupportedImageException.version(in.path(), version);
        }
    }

    private static void checkChecksum(ImageFile in, ByteBuffer bytes, long position, int at, String what)
            throws IOException {
        int computed = SectionWriter.crc32c(bytes.slice(0, at));
        int stated = bytes.getInt(at);
        in.check(computed == stated, position + at, "checksum of the %s is %#x, not %#x", what, stated, computed);
    }
}
