package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.SectionEntry;
import java.nio.ByteBuffer;

/// Where one part of the image is.
///
/// @param checksum XXH3-64 of its bytes; 0 if its parts carry their own
record Section(SectionType type, long offset, long lengthBytes, long checksum) {
    long end() {
        return offset + lengthBytes;
    }

    void write(ByteBuffer directory, int at) {
        directory
                .putInt(at + SectionEntry.TYPE.offset(), type.code())
                .putInt(at + SectionEntry.FLAGS.offset(), type.flags())
                .putLong(at + SectionEntry.OFFSET.offset(), offset)
                .putLong(at + SectionEntry.LENGTH.offset(), lengthBytes)
                .putLong(at + SectionEntry.CHECKSUM.offset(), checksum);
    }
}
