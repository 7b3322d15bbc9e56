package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.EncryptionHead;
import dev.dormouse.image.ImageFormat.KeySlot;
import dev.dormouse.image.ImageFormat.SectionEntry;
import org.jspecify.annotations.Nullable;

/// The parts of an image, as the section directory numbers them. None stands in it twice; those that may
/// not be ignored are all there, but for [#ENCRYPTION].
enum SectionType {
    METADATA(1, 0, ImageFormat.METADATA_BYTES_MAX),
    CONFIGURATION(2, 0, ImageFormat.CONFIGURATION_BYTES_MAX),
    /// Length before compression (u64), then one zstd frame.
    DEVICE_STATE(3, 0, ImageFormat.DEVICE_STATE_BYTES_MAX + (1 << 20)),
    RAM_BLOCKS(4, 0, ImageFormat.RAM_BLOCKS_MAX * 272L),
    CHUNK_DIRECTORY(5, 0, ImageFormat.FRAMES_MAX / ImageFormat.CHUNK_ENTRIES * 24),
    PAGE_TABLE(6, SectionEntry.FLAG_IN_PARTS, Long.MAX_VALUE),
    EXTENT_TABLE(7, 0, ImageFormat.EXTENTS_MAX * 24L),
    EXTENTS(8, SectionEntry.FLAG_IN_PARTS, Long.MAX_VALUE),
    DISKS(9, 0, ImageFormat.DISKS_MAX * (long) ImageFormat.DiskEntry.SIZE_BYTES),
    WORKING_SET(10, SectionEntry.FLAG_MAY_BE_IGNORED, ImageFormat.FRAME_GROUPS_BYTES_MAX),
    HEAT_ORDER(11, SectionEntry.FLAG_MAY_BE_IGNORED, ImageFormat.FRAME_GROUPS_BYTES_MAX),
    /// How the other sections, all but METADATA, are encrypted.
    ENCRYPTION(12, 0, EncryptionHead.SIZE_BYTES + (long) KeySlot.COUNT_MAX * KeySlot.SIZE_BYTES);

    private final int code;
    private final int flags;
    private final long lengthBytesMax;

    SectionType(int code, int flags, long lengthBytesMax) {
        this.code = code;
        this.flags = flags;
        this.lengthBytesMax = lengthBytesMax;
    }

    int code() {
        return code;
    }

    int flags() {
        return flags;
    }

    long lengthBytesMax() {
        return lengthBytesMax;
    }

    /// {@return whether every image has it}
    boolean isRequired() {
        return (flags & SectionEntry.FLAG_MAY_BE_IGNORED) == 0 && this != ENCRYPTION;
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
