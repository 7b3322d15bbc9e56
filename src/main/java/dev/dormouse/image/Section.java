package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.SectionEntry;
import java.nio.ByteBuffer;

/// Where one part of the image is.
///
/// @param code of its [SectionType]; of one that may be ignored perhaps a code that this build does not know
/// @param checksum XXH3-64 of its bytes; 0 if its parts carry their own
record Section(int code, int flags, long offset, long lengthBytes, long checksum) {
    static Section of(SectionType type, long offset, long lengthBytes, long checksum) {
        return new Section(type.code(), type.flags(), offset, lengthBytes, checksum);
    }

    static Section read(ByteBuffer directory, int at) {
        return new Section(
                directory.getInt(at + SectionEntry.TYPE.offset()),
                directory.getInt(at + SectionEntry.FLAGS.offset()),
                directory.getLong(at + SectionEntry.OFFSET.offset()),
                directory.getLong(at + SectionEntry.LENGTH.offset()),
                directory.getLong(at + SectionEntry.CHECKSUM.offset()));
    }

    long end() {
        return offset + lengthBytes;
    }

    /// {@return its name, or its number if this build has no name for it}
    String name() {
        SectionType type = SectionType.ofCode(code);
        return type != null ? type.name() : "of type " + Integer.toUnsignedString(code);
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    void write(ByteBuffer directory, int at) {
        directory
                .putInt(at + SectionEntry.TYPE.offset(), code)
                .putInt(at + SectionEntry.FLAGS.offset(), flags)
                .putLong(at + SectionEntry.OFFSET.offset(), offset)
                .putLong(at + SectionEntry.LENGTH.offset(), lengthBytes)
                .putLong(at + SectionEntry.CHECKSUM.offset(), checksum);
    }
}
