package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.Header;
import dev.dormouse.image.ImageFormat.SectionEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/// Where the sections are. They fill the file from header to directory, without gap or overlap. Those
/// that may be ignored are known by their place only, until somebody asks for them. Immutable.
final class SectionDirectory {
    private final ImageFile in;
    private final Map<Integer, Section> sections;

    private SectionDirectory(ImageFile in, Map<Integer, Section> sections) {
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
        refuseEncrypted(in, header, bytes);
        Map<Integer, Section> sections = new LinkedHashMap<>();
        long end = Header.SIZE_BYTES;
        for (int i = 0; i < header.sectionCount(); i++) {
            int at = i * SectionEntry.SIZE_BYTES;
            Section section = Section.read(bytes, at);
            check(in, header, section, position + at, end);
            Section other = sections.put(section.code(), section);
            in.check(other == null, position + at, "section %s stands twice in the directory", section.name());
            end = section.end();
        }
        in.check(end == position, position, "sections end at %d, not at the directory", end);
        for (SectionType type : SectionType.values()) {
            boolean there = sections.containsKey(type.code());
            in.check(there || !type.isRequired(), position, "section %s is missing", type);
        }
        return new SectionDirectory(in, sections);
    }

    /// Before anything else is judged: in an encrypted image the other sections look otherwise.
    private static void refuseEncrypted(ImageFile in, ImageHeader header, ByteBuffer bytes) throws IOException {
        for (int i = 0; i < header.sectionCount(); i++) {
            if (Section.read(bytes, i * SectionEntry.SIZE_BYTES).code() == SectionType.ENCRYPTION.code()) {
                throw UnsupportedImageException.encrypted(in.path(), header.version());
            }
        }
    }

    private static void check(ImageFile in, ImageHeader header, Section section, long position, long start)
            throws IOException {
        SectionType type = SectionType.ofCode(section.code());
        boolean known =
                type != null ? section.flags() == type.flags() : section.flags() == SectionEntry.FLAG_MAY_BE_IGNORED;
        if (!known) {
            String feature = "section type %s with flags 0x%x"
                    .formatted(Integer.toUnsignedString(section.code()), section.flags());
            throw UnsupportedImageException.feature(in.path(), header.version(), feature);
        }
        in.check(
                section.offset() == start,
                position,
                "section %s is at %d, not at %d",
                section.name(),
                section.offset(),
                start);
        long lengthBytesMax = Math.min(
                type != null ? type.lengthBytesMax() : ImageFormat.IGNORABLE_BYTES_MAX,
                header.directoryOffset() - start);
        in.check(
                section.lengthBytes() >= 0 && section.lengthBytes() <= lengthBytesMax,
                position,
                "section %s has %d bytes, 0 to %d are allowed",
                section.name(),
                section.lengthBytes(),
                lengthBytesMax);
        boolean checksumFits = !section.has(SectionEntry.FLAG_IN_PARTS) || section.checksum() == 0;
        in.check(
                checksumFits,
                position,
                "section %s has checksum %#x beside those of its parts",
                section.name(),
                section.checksum());
    }

    Section section(SectionType type) {
        return find(type).orElseThrow(() -> new IllegalStateException("section " + type + " was checked to be there"));
    }

    Optional<Section> find(SectionType type) {
        return Optional.ofNullable(sections.get(type.code()));
    }

    /// {@return all sections, those that this build does not know included}
    Collection<Section> all() {
        return sections.values();
    }

    /// Reads a section that has a checksum, and checks it.
    ByteBuffer read(SectionType type) throws IOException {
        return read(section(type));
    }

    /// As [#read(SectionType)], of any section of [#all] whose parts have none.
    ByteBuffer read(Section section) throws IOException {
        return in.readChecked("section " + section.name(), section.offset(), section.lengthBytes(), section.checksum());
    }
}
