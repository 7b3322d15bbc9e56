package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.Footer;
import dev.dormouse.image.ImageFormat.Header;
import dev.dormouse.image.ImageFormat.SectionEntry;
import dev.dormouse.storage.Xxh3;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// An image taken apart, changed with intent and put together again with all checksums right: what another
/// build, or somebody hostile, could have written.
final class PatchedImage {
    private record Part(int type, int flags, ByteBuffer bytes) {}

    private final List<Part> parts = new ArrayList<>();
    private final int extentPages;

    PatchedImage(byte[] image) {
        ByteBuffer file = ByteBuffer.wrap(image).order(ImageFormat.ORDER);
        extentPages = file.getInt(Header.EXTENT_PAGES.offset());
        int directory = (int) file.getLong(Header.DIRECTORY_OFFSET.offset());
        for (int i = 0; i < file.getInt(Header.SECTION_COUNT.offset()); i++) {
            Section section = Section.read(file, directory + i * SectionEntry.SIZE_BYTES);
            var bytes = new byte[(int) section.lengthBytes()];
            file.get((int) section.offset(), bytes);
            parts.add(new Part(section.code(), section.flags(), ByteBuffer.wrap(bytes)));
        }
    }

    /// Puts a section behind all others, in the place of one of this type if there is one.
    PatchedImage with(int type, int flags, byte... bytes) {
        parts.removeIf(part -> part.type() == type);
        return withAnother(type, flags, bytes);
    }

    PatchedImage withAnother(int type, int flags, byte... bytes) {
        parts.add(new Part(type, flags, ByteBuffer.wrap(bytes)));
        return this;
    }

    PatchedImage without(int type) {
        parts.removeIf(part -> part.type() == type);
        return this;
    }

    byte[] bytes() {
        int end = Header.SIZE_BYTES
                + parts.stream().mapToInt(part -> part.bytes().remaining()).sum();
        int directoryBytes = parts.size() * SectionEntry.SIZE_BYTES;
        ByteBuffer file =
                ByteBuffer.allocate(end + directoryBytes + Footer.SIZE_BYTES).order(ImageFormat.ORDER);
        int at = Header.SIZE_BYTES;
        for (int i = 0; i < parts.size(); i++) {
            Part part = parts.get(i);
            boolean inParts = part.flags() == SectionEntry.FLAG_IN_PARTS;
            long checksum = inParts ? 0 : Xxh3.hash64(part.bytes());
            new Section(part.type(), part.flags(), at, part.bytes().remaining(), checksum)
                    .write(file, end + i * SectionEntry.SIZE_BYTES);
            file.put(at, part.bytes(), 0, part.bytes().remaining());
            at += part.bytes().remaining();
        }
        writeHeader(file, end, SectionWriter.crc32c(file.slice(end, directoryBytes)));
        return file.array();
    }

    private void writeHeader(ByteBuffer file, int directory, int directoryChecksum) {
        file.putLong(Header.MAGIC.offset(), ImageFormat.HEADER_MAGIC)
                .putInt(Header.VERSION.offset(), ImageFormat.VERSION)
                .putInt(Header.PAGE_SIZE.offset(), ImageFormat.PAGE_BYTES)
                .putInt(Header.EXTENT_PAGES.offset(), extentPages)
                .putLong(Header.FILE_LENGTH.offset(), file.capacity())
                .putLong(Header.DIRECTORY_OFFSET.offset(), directory)
                .putInt(Header.SECTION_COUNT.offset(), parts.size())
                .putInt(Header.DIRECTORY_CHECKSUM.offset(), directoryChecksum);
        int checksum = SectionWriter.crc32c(file.slice(0, Header.CHECKSUM.offset()));
        file.putInt(Header.CHECKSUM.offset(), checksum);
        int footer = file.capacity() - Footer.SIZE_BYTES;
        file.putLong(footer + Footer.MAGIC.offset(), ImageFormat.FOOTER_MAGIC)
                .putInt(footer + Footer.HEADER_CHECKSUM.offset(), checksum)
                .putInt(
                        footer + Footer.CHECKSUM.offset(),
                        SectionWriter.crc32c(file.slice(footer, Footer.CHECKSUM.offset())));
    }
}
