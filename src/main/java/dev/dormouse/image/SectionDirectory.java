package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.Header;
import dev.dormouse.image.ImageFormat.SectionEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.EnumMap;
import java.util.Map;

/// Where the sections are. They fill the file from header to directory, without gap or overlap.
/// Immutable.
final class SectionDirectory {
    private final ImageFile in;
    private final Map<SectionType, Section> sections;

    private SectionDirectory(ImageFile in, Map<SectionType, Section> sections) {
        this.in = in;
        this.sections = sections;
    }

    static SectionDirectory read(ImageFile in, ImageHeader header) throws IOException {
        long position = header.directoryOffset();
        ByteBuffer bytes = in.read(position, header.directoryBytes());
        int computed = SectionWriter.crc32c(bytes);
        in.check(
                computed == header.directoryChecksum(),
                position,
                "checksum of the directory is %#x, not %#x",
                computed,
                header.directoryChecksum());
        Map<SectionType, Section> sections = new EnumMap<>(SectionType.class);
        long end = Header.SIZE_BYTES;
        for (int i = 0; i < header.sectionCount(); i++) {
            int at = i * SectionEntry.SIZE_BYTES;
            Section section = readEntry(in, header, bytes.slice(at, SectionEntry.SIZE_BYTES), position + at, end);
            Section other = sections.put(section.type(), section);
            in.check(other == null, position + at, "section %s stands twice in the directory", section.type());
            end = section.end();
        }
        in.check(end == position, position, "sections end at %d, not at the directory", end);
        for (SectionType type : SectionType.values()) {
            in.check(sections.containsKey(type), position, "section %s is missing", type);
        }
        return new SectionDirectory(in, sections);
    }

    private static Section readEntry(ImageFile in, ImageHeader header, ByteBuffer slice, long position, long start)
            throws IOException {
        ByteBuffer entry = slice.order(ImageFormat.ORDER);
        int code = entry.getInt(SectionEntry.TYPE.offset());
        int flags = entry.getInt(SectionEntry.FLAGS.offset());
        SectionType type = SectionType.ofCode(code);
        if (type == null || flags != type.flags()) {
            String feature = "section type %s with flags 0x%x".formatted(Integer.toUnsignedString(code), flags);
            throw UnsupportedImageException.feature(in.path(), header.version(), feature);
        }
        long offset = entry.getLong(SectionEntry.OFFSET.offset());
        long lengthBytes = entry.getLong(SectionEntry.LENGTH.offset());
        long checksum = entry.getLong(SectionEntry.CHECKSUM.offset());
        in.check(offset == start, position, "section %s is at %d, not at %d", type, offset, start);
        long lengthBytesMax = Math.min(type.lengthBytesMax(), header.directoryOffset() - start);
        in.check(
                lengthBytes >= 0 && lengthBytes <= lengthBytesMax,
                position,
                "section %s has %d bytes, 0 to %d are allowed",
                type,
                lengthBytes,
                lengthBytesMax);
        boolean checksumFits = type.flags() == 0 || checksum == 0;
        in.check(checksumFits, position, "section %s has checksum %#x beside those of its parts", type, checksum);
        return new Section(type, offset, lengthBytes, checksum);
    }

    Section section(SectionType type) {
        Section section = sections.get(type);
        assert section != null : "section " + type + " was checked to be there";
        return section;
    }

    /// Reads a section that has a checksum, and checks it.
    ByteBuffer read(SectionType type) throws IOException {
        Section section = section(type);
        return in.readChecked("section " + type, section.offset(), section.lengthBytes(), section.checksum());
    }
}
