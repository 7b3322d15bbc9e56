package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.Header;
import dev.dormouse.image.ImageFormat.SectionEntry;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Where the sections are. They fill the file from header to directory, without gap or overlap. Those
/// that may be ignored are known by their place only, until somebody asks for them. Immutable.
final class SectionDirectory {
    private final ImageFile in;
    private final Map<Integer, Section> sections;
    private final boolean encrypted;
    private @Nullable ImageCipher cipher; // Set once, while the image is being opened.

    private SectionDirectory(ImageFile in, Map<Integer, Section> sections) {
        this.in = in;
        this.sections = sections;
        this.encrypted = sections.containsKey(SectionType.ENCRYPTION.code());
    }

    /// Reads the directory; of an encrypted image only METADATA can be read then.
    static SectionDirectory readLocked(ImageFile in, ImageHeader header) throws IOException {
        long position = header.directoryOffset();
        ByteBuffer bytes = bytes(in, header);
        boolean encrypted = hasEnvelope(header, bytes);
        Map<Integer, Section> sections = new LinkedHashMap<>();
        long end = Header.SIZE_BYTES;
        for (int i = 0; i < header.sectionCount(); i++) {
            int at = i * SectionEntry.SIZE_BYTES;
            Section section = Section.read(bytes, at);
            check(in, header, section, encrypted, position + at, end);
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

    /// As [#readLocked], and takes the key of an encrypted image.
    ///
    /// @throws ImageKeyException if there is no key, or it is another one
    static SectionDirectory read(ImageFile in, ImageHeader header, ImageReader.KeyFinder keys) throws IOException {
        SectionDirectory directory = readLocked(in, header);
        if (directory.encrypted) {
            directory.unlock(header, keys);
        }
        return directory;
    }

    private void unlock(ImageHeader header, ImageReader.KeyFinder keys) throws IOException {
        ImageKey key = keys.find(metadata());
        if (key == null) {
            throw new ImageKeyException(in.path() + ": image is encrypted, give the file of its key with --key");
        }
        Section section = section(SectionType.ENCRYPTION);
        var envelope = EncryptionEnvelope.open(in, section, key);
        ByteBuffer metadata = in.readChecked(
                "section METADATA",
                section(SectionType.METADATA).offset(),
                section(SectionType.METADATA).lengthBytes(),
                section(SectionType.METADATA).checksum());
        envelope.checkTag(in, header.directoryOffset(), bytes(in, header), metadata);
        cipher = envelope.cipher();
    }

    private static ByteBuffer bytes(ImageFile in, ImageHeader header) throws IOException {
        ByteBuffer bytes = in.read(header.directoryOffset(), header.directoryBytes());
        int computed = SectionWriter.crc32c(bytes);
        in.check(
                computed == header.directoryChecksum(),
                header.directoryOffset(),
                "checksum of the directory is %#x, not %#x",
                computed,
                header.directoryChecksum());
        return bytes;
    }

    private static boolean hasEnvelope(ImageHeader header, ByteBuffer bytes) {
        for (int i = 0; i < header.sectionCount(); i++) {
            if (Section.read(bytes, i * SectionEntry.SIZE_BYTES).code() == SectionType.ENCRYPTION.code()) {
                return true;
            }
        }
        return false;
    }

    /// Reads METADATA, which no key is needed for.
    String metadata() throws IOException {
        ByteBuffer bytes = read(SectionType.METADATA);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes).toString();
        } catch (CharacterCodingException e) {
            long position = section(SectionType.METADATA).offset();
            throw new CorruptImageException(in.path(), position, "metadata is not UTF-8", e);
        }
    }

    boolean isEncrypted() {
        return encrypted;
    }

    /// {@return what encryption adds to each part of the file, 0 if it is not encrypted}
    int tagBytes() {
        return encrypted ? ImageCipher.TAG_BYTES : 0;
    }

    /// {@return what the section, which has no parts of its own, has before encryption}
    long plainLengthBytes(SectionType type) {
        return section(type).lengthBytes() - (ImageCipher.isEncrypted(type.code()) ? tagBytes() : 0);
    }

    /// {@return what decrypts for one thread; null if there is nothing to decrypt}
    ImageCipher.@Nullable Box newBox() {
        return cipher == null ? null : cipher.newBox();
    }

    /// Decrypts a part, whose checksum was right, of a section that has some; returns it as it is if it is not
    /// encrypted.
    ByteBuffer open(String name, SectionType type, long offset, ByteBuffer part) throws IOException {
        return open(name, type.code(), offset, part);
    }

    private ByteBuffer open(String name, int type, long offset, ByteBuffer part) throws IOException {
        if (!encrypted || !ImageCipher.isEncrypted(type)) {
            return part;
        }
        ImageCipher.Box box = newBox();
        if (box == null) {
            throw new IllegalStateException("the image was not unlocked");
        }
        in.check(part.remaining() >= ImageCipher.TAG_BYTES, offset, "%s is shorter than its tag", name);
        ByteBuffer plain = ByteBuffer.allocateDirect(part.remaining() - ImageCipher.TAG_BYTES)
                .order(ImageFormat.ORDER);
        in.check(box.open(type, offset, part, plain), offset, "%s was not written with the image's key", name);
        return plain.flip();
    }

    private static void check(
            ImageFile in, ImageHeader header, Section section, boolean encrypted, long position, long start)
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
        boolean tagged =
                encrypted && ImageCipher.isEncrypted(section.code()) && !section.has(SectionEntry.FLAG_IN_PARTS);
        int tagBytes = tagged ? ImageCipher.TAG_BYTES : 0;
        long plainBytesMax = type != null ? type.lengthBytesMax() : ImageFormat.IGNORABLE_BYTES_MAX;
        long lengthBytesMax = Math.min(
                plainBytesMax == Long.MAX_VALUE ? plainBytesMax : plainBytesMax + tagBytes,
                header.directoryOffset() - start);
        in.check(
                section.lengthBytes() >= tagBytes && section.lengthBytes() <= lengthBytesMax,
                position,
                "section %s has %d bytes, %d to %d are allowed",
                section.name(),
                section.lengthBytes(),
                tagBytes,
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
        String name = "section " + section.name();
        ByteBuffer bytes = in.readChecked(name, section.offset(), section.lengthBytes(), section.checksum());
        return open(name, section.code(), section.offset(), bytes);
    }
}
