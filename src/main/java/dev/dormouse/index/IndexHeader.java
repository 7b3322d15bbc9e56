package dev.dormouse.index;

import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.storage.Xxh3;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/// The first 128 bytes of an index file: little-endian. What is not exactly so is no index; nobody needs to
/// know why, for it is built anew.
///
/// | offset | size | field          | valid                                                     |
/// |-------:|-----:|----------------|-----------------------------------------------------------|
/// |      0 |    8 | magic          | `DMBLKIDX` in ASCII                                       |
/// |      8 |    4 | version        | 1                                                         |
/// |     12 |    4 | state          | 1 complete, 2 being changed                               |
/// |     16 |    8 | blockCount     | 0 to 2^32-2                                               |
/// |     24 |    8 | indexedBlocks  | blocks with a hash                                        |
/// |     32 |    8 | entries        | block numbers in the table, below capacity                |
/// |     40 |    8 | capacity       | 1 to 2^33: places of the table                            |
/// |     48 |   16 | digest         | of the content, low and high                              |
/// |     64 |    8 | pathHash       | XXH3-64 of the layer's path                               |
/// |     72 |   40 | layer          | size, device, inode, mtime and ctime in ns                |
/// |    112 |    8 | reserved       | zero                                                      |
/// |    120 |    8 | checksum       | XXH3-64 of bytes 0 to 119                                 |
record IndexHeader(
        boolean complete,
        long blockCount,
        long indexedBlocks,
        long entries,
        long capacity,
        ContentDigest digest,
        Stamp stamp) {
    static final int SIZE_BYTES = 128;
    static final long BLOCKS_MAX = (1L << 32) - 2;
    static final long CAPACITY_MAX = 1L << 33;
    private static final long MAGIC = 0x5844494b4c424d44L; // "DMBLKIDX"
    private static final int VERSION = 1;
    private static final int COMPLETE = 1;
    private static final int CHANGING = 2;
    private static final int CHECKSUM_AT = 120;

    /// Which layer, in which state, the index is of.
    record Stamp(long pathHash, long sizeBytes, long device, long inode, long modifiedNanos, long changedNanos) {
        static Stamp of(LayerIdentity identity) {
            return new Stamp(
                    Xxh3.hash64(ByteBuffer.wrap(identity.layer().path().getBytes(StandardCharsets.UTF_8))),
                    identity.sizeBytes(),
                    identity.device(),
                    identity.inode(),
                    identity.modifiedNanos(),
                    identity.changedNanos());
        }

        /// {@return whether it is the same file in the same state. The device may be numbered anew by a reboot,
        /// and the change time moves with a new link or other permissions}
        boolean matches(Stamp other) {
            return pathHash == other.pathHash
                    && sizeBytes == other.sizeBytes
                    && inode == other.inode
                    && modifiedNanos == other.modifiedNanos;
        }
    }

    ByteBuffer encode() {
        ByteBuffer bytes = ByteBuffer.allocate(SIZE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(MAGIC).putInt(VERSION).putInt(complete ? COMPLETE : CHANGING);
        bytes.putLong(blockCount).putLong(indexedBlocks).putLong(entries).putLong(capacity);
        bytes.putLong(digest.low()).putLong(digest.high());
        bytes.putLong(stamp.pathHash)
                .putLong(stamp.sizeBytes)
                .putLong(stamp.device)
                .putLong(stamp.inode);
        bytes.putLong(stamp.modifiedNanos).putLong(stamp.changedNanos).putLong(0);
        bytes.putLong(Xxh3.hash64(bytes.slice(0, CHECKSUM_AT)));
        return bytes.flip();
    }

    /// {@return the header, empty if the bytes are not one, or not one of an index that is complete}
    static Optional<IndexHeader> decode(ByteBuffer raw) {
        ByteBuffer bytes = raw.order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.remaining() != SIZE_BYTES
                || bytes.getLong(0) != MAGIC
                || bytes.getInt(8) != VERSION
                || bytes.getInt(12) != COMPLETE
                || bytes.getLong(CHECKSUM_AT) != Xxh3.hash64(bytes.slice(0, CHECKSUM_AT))) {
            return Optional.empty();
        }
        bytes.position(16);
        var header = new IndexHeader(
                true,
                bytes.getLong(),
                bytes.getLong(),
                bytes.getLong(),
                bytes.getLong(),
                new ContentDigest(bytes.getLong(), bytes.getLong()),
                new Stamp(
                        bytes.getLong(),
                        bytes.getLong(),
                        bytes.getLong(),
                        bytes.getLong(),
                        bytes.getLong(),
                        bytes.getLong()));
        return header.isPossible() && bytes.getLong() == 0 ? Optional.of(header) : Optional.empty();
    }

    private boolean isPossible() {
        return blockCount >= 0
                && blockCount <= BLOCKS_MAX
                && indexedBlocks >= 0
                && indexedBlocks <= blockCount
                && capacity >= 1
                && capacity <= CAPACITY_MAX
                && entries >= 0
                && entries < capacity;
    }
}
