package dev.dormouse.image;

import dev.dormouse.base.RamBlock;
import java.nio.ByteOrder;
import java.util.List;

/// The constants of the file format, little endian throughout. `docs/image-format.md` holds the same
/// tables with the prose; a test compares them.
final class ImageFormat {
    /// Frozen: what changes gets a new number. Version 0 was never released and is refused.
    static final int VERSION = 1;

    static final int VERSION_MIN = 1;
    static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;

    /// `DORMOUSE` and `ESUOMROD` in ASCII.
    static final long HEADER_MAGIC = 0x4553_554f_4d52_4f44L;

    static final long FOOTER_MAGIC = 0x444f_524d_4f55_5345L;

    static final int PAGE_BYTES = RamBlock.TARGET_PAGE_BYTES;
    static final int EXTENT_PAGES_MAX = 64;
    static final int EXTENT_PAGES_DEFAULT = 8;
    static final int CHUNK_ENTRIES = 4096;

    /// 8 TiB of guest memory: a frame fits an `int`.
    static final long FRAMES_MAX = 1L << 31;

    /// Keeps the extent table below 2 GiB.
    static final int EXTENTS_MAX = 1 << 26;

    static final int RAM_BLOCKS_MAX = 4096;
    static final int RAM_BLOCK_PAGE_BYTES_MAX = 1 << 30;
    static final int SECTIONS_MAX = 64;
    static final int METADATA_BYTES_MAX = 16 << 20;
    static final int CONFIGURATION_BYTES_MAX = 16 << 20;
    static final int DEVICE_STATE_BYTES_MAX = 512 << 20;

    /// As many as the slot field of a page table entry can number.
    static final int DISKS_MAX = 256;

    /// 1 EiB: the location field of a page table entry holds the number of any block.
    static final long DISK_BLOCKS_MAX = 1L << 48;

    /// Of a section that may be ignored, so that a reader can check even one that it does not know.
    static final int IGNORABLE_BYTES_MAX = 16 << 20;

    /// Of a working set or a heat order: 2 Mi ranges.
    static final int FRAME_GROUPS_BYTES_MAX = 4 << 20;

    static final int FRAME_GROUPS_MAX = 4096;

    /// A chunk of 64 KiB, and what zstd may add to what it cannot shrink.
    static final int CHUNK_COMPRESSED_BYTES_MAX = (64 << 10) + 1024;

    /// One field of a fixed layout.
    record Field(String name, int offset, int sizeBytes) {
        int end() {
            return offset + sizeBytes;
        }
    }

    /// The first bytes of the file.
    static final class Header {
        static final Field MAGIC = new Field("magic", 0, 8);
        static final Field VERSION = new Field("version", 8, 4);
        static final Field FLAGS = new Field("flags", 12, 4);
        static final Field PAGE_SIZE = new Field("pageSizeBytes", 16, 4);
        static final Field EXTENT_PAGES = new Field("extentPages", 20, 4);
        static final Field FILE_LENGTH = new Field("fileLengthBytes", 24, 8);
        static final Field DIRECTORY_OFFSET = new Field("directoryOffset", 32, 8);
        static final Field SECTION_COUNT = new Field("sectionCount", 40, 4);
        static final Field DIRECTORY_CHECKSUM = new Field("directoryChecksum", 44, 4);
        static final Field RESERVED = new Field("reserved", 48, 12);
        static final Field CHECKSUM = new Field("checksum", 60, 4);
        static final int SIZE_BYTES = 64;
        static final List<Field> FIELDS = List.of(
                MAGIC,
                VERSION,
                FLAGS,
                PAGE_SIZE,
                EXTENT_PAGES,
                FILE_LENGTH,
                DIRECTORY_OFFSET,
                SECTION_COUNT,
                DIRECTORY_CHECKSUM,
                RESERVED,
                CHECKSUM);

        private Header() {}
    }

    /// An entry of the section directory.
    static final class SectionEntry {
        /// The section consists of parts (chunks, extents) that carry their checksums themselves.
        static final int FLAG_IN_PARTS = 1;

        /// The image is whole without the section: a reader that does not know it goes on.
        static final int FLAG_MAY_BE_IGNORED = 2;

        static final Field TYPE = new Field("type", 0, 4);
        static final Field FLAGS = new Field("flags", 4, 4);
        static final Field OFFSET = new Field("offset", 8, 8);
        static final Field LENGTH = new Field("lengthBytes", 16, 8);
        static final Field CHECKSUM = new Field("checksum", 24, 8);
        static final int SIZE_BYTES = 32;
        static final List<Field> FIELDS = List.of(TYPE, FLAGS, OFFSET, LENGTH, CHECKSUM);

        private SectionEntry() {}
    }

    /// The last bytes of the file.
    static final class Footer {
        static final Field MAGIC = new Field("magic", 0, 8);
        static final Field HEADER_CHECKSUM = new Field("headerChecksum", 8, 4);
        static final Field CHECKSUM = new Field("checksum", 12, 4);
        static final int SIZE_BYTES = 16;
        static final List<Field> FIELDS = List.of(MAGIC, HEADER_CHECKSUM, CHECKSUM);

        private Footer() {}
    }

    /// An entry of the chunk directory.
    static final class ChunkEntry {
        static final Field OFFSET = new Field("offset", 0, 8);
        static final Field LENGTH = new Field("lengthBytes", 8, 4);
        static final Field RESERVED = new Field("reserved", 12, 4);
        static final Field CHECKSUM = new Field("checksum", 16, 8);
        static final int SIZE_BYTES = 24;
        static final List<Field> FIELDS = List.of(OFFSET, LENGTH, RESERVED, CHECKSUM);

        private ChunkEntry() {}
    }

    /// An entry of the extent table.
    static final class ExtentEntry {
        static final Field OFFSET = new Field("offset", 0, 8);
        static final Field LENGTH = new Field("lengthBytes", 8, 4);
        static final Field PAGE_COUNT = new Field("pageCount", 12, 1);
        static final Field ENCODING = new Field("encoding", 13, 1);
        static final Field RESERVED = new Field("reserved", 14, 2);
        static final Field CHECKSUM = new Field("checksum", 16, 8);
        static final int SIZE_BYTES = 24;
        static final List<Field> FIELDS = List.of(OFFSET, LENGTH, PAGE_COUNT, ENCODING, RESERVED, CHECKSUM);

        static final int ENCODING_ZSTD = 1;
        static final int ENCODING_RAW = 2;

        private ExtentEntry() {}
    }

    /// An entry of the page table; on file a chunk holds all first words, then all second words.
    static final class PageEntry {
        static final Field CLASS = new Field("class", 0, 1);
        static final Field SLOT = new Field("slot", 1, 1);
        static final Field LOCATION = new Field("location", 2, 6);
        static final Field CHECKSUM = new Field("checksum", 8, 8);
        static final int SIZE_BYTES = 16;
        static final List<Field> FIELDS = List.of(CLASS, SLOT, LOCATION, CHECKSUM);

        private PageEntry() {}
    }

    /// An entry of the list of disks.
    static final class DiskEntry {
        static final Field BLOCK_COUNT = new Field("blockCount", 0, 8);
        static final int SIZE_BYTES = 8;
        static final List<Field> FIELDS = List.of(BLOCK_COUNT);

        private DiskEntry() {}
    }

    /// The beginning of a working set or a heat order.
    static final class FrameGroupsHead {
        static final Field REVISION = new Field("revision", 0, 2);
        static final Field RESERVED = new Field("reserved", 2, 2);
        static final Field GROUP_COUNT = new Field("groupCount", 4, 4);
        static final int SIZE_BYTES = 8;
        static final List<Field> FIELDS = List.of(REVISION, RESERVED, GROUP_COUNT);

        static final int REVISION_KNOWN = 1;

        private FrameGroupsHead() {}
    }

    /// The beginning of each group in them; its ranges follow.
    static final class FrameGroupHead {
        static final Field START = new Field("startMillis", 0, 4);
        static final Field RANGE_COUNT = new Field("rangeCount", 4, 4);
        static final int SIZE_BYTES = 8;
        static final List<Field> FIELDS = List.of(START, RANGE_COUNT);

        private FrameGroupHead() {}
    }

    /// The envelope of an encrypted image.
    static final class EncryptionHead {
        static final Field REVISION = new Field("revision", 0, 2);
        static final Field CIPHER = new Field("cipher", 2, 2);
        static final Field KEY_SLOT_COUNT = new Field("keySlotCount", 4, 4);
        static final Field IMAGE_ID = new Field("imageId", 8, 16);
        static final Field DIRECTORY_TAG = new Field("directoryTag", 24, 16);
        static final int SIZE_BYTES = 40;
        static final List<Field> FIELDS = List.of(REVISION, CIPHER, KEY_SLOT_COUNT, IMAGE_ID, DIRECTORY_TAG);

        private EncryptionHead() {}
    }

    /// One way to the data key of an encrypted image.
    static final class KeySlot {
        static final Field DERIVATION = new Field("derivation", 0, 2);
        static final Field RESERVED = new Field("reserved", 2, 2);
        static final Field MEMORY = new Field("memoryKibibytes", 4, 4);
        static final Field PASSES = new Field("passes", 8, 4);
        static final Field LANES = new Field("lanes", 12, 4);
        static final Field SALT = new Field("salt", 16, 32);
        static final Field NONCE = new Field("nonce", 48, 12);
        static final Field WRAPPED_KEY = new Field("wrappedKey", 60, 32);
        static final Field TAG = new Field("tag", 92, 16);
        static final Field RESERVED_END = new Field("reserved", 108, 20);
        static final int SIZE_BYTES = 128;
        static final List<Field> FIELDS =
                List.of(DERIVATION, RESERVED, MEMORY, PASSES, LANES, SALT, NONCE, WRAPPED_KEY, TAG, RESERVED_END);
        static final int COUNT_MAX = 16;

        private KeySlot() {}
    }

    private ImageFormat() {}

    static long chunkCount(long frameCount) {
        return (frameCount + CHUNK_ENTRIES - 1) / CHUNK_ENTRIES;
    }

    /// {@return the entries of a chunk: all but the last are full}
    static int chunkEntries(long frameCount, long chunk) {
        return (int) Math.min(CHUNK_ENTRIES, frameCount - chunk * CHUNK_ENTRIES);
    }
}
