package dev.dormouse.image;

import org.jspecify.annotations.Nullable;

/// The parts of an image, as the section directory numbers them. Each stands in it exactly once.
enum SectionType {
    METADATA(1, false, ImageFormat.METADATA_BYTES_MAX),
    CONFIGURATION(2, false, ImageFormat.CONFIGURATION_BYTES_MAX),
    /// Length before compression (u64), then one zstd frame.
    DEVICE_STATE(3, false, ImageFormat.DEVICE_STATE_BYTES_MAX + (1 << 20)),
    RAM_BLOCKS(4, false, ImageFormat.RAM_BLOCKS_MAX * 272L),
    CHUNK_DIRECTORY(5, false, ImageFormat.FRAMES_MAX / ImageFormat.CHUNK_ENTRIES * 24),
    PAGE_TABLE(6, true, Long.MAX_VALUE),
    EXTENT_TABLE(7, false, ImageFormat.EXTENTS_MAX * 24L),
    EXTENTS(8, true, Long.MAX_VALUE);

    /// Flag of sections whose parts (chunks, extents) carry their checksums themselves.
    static final int FLAG_IN_PARTS = 1;

    private final int code;
    private final boolean inParts;
    private final long lengthBytesMax;

    SectionType(int code, boolean inParts, long lengthBytesMax) {
        this.code = code;
        this.inParts = inParts;
        this.lengthBytesMax = lengthBytesMax;
    }

    int code() {
        return code;
    }

    int flags() {
        return inParts ? FLAG_IN_PARTS : 0;
    }

    long lengthBytesMax() {
        return lengthBytesMax;
    }

    static @Nullable SectionType ofCode(int code) {
        for (SectionType type : values()) {
            if (type.code == code) {
                return type;
            }
        }
        return null;
    }
}
