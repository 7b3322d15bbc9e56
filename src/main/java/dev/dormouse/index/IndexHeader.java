package dev.dormouse.index;

import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.disk.LayerIdentity.DataFile;
import dev.dormouse.storage.Xxh3;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/// The first bytes of an index file: little-endian. What is not exactly so is no index; nobody needs to
/// know why, for it is built anew.
///
/// | offset | size | field          | valid                                                     |
/// |-------:|-----:|----------------|-----------------------------------------------------------|
/// |      0 |    8 | magic          | `DMBLKIDX` in ASCII                                       |
/// |      8 |    4 | version        | 2                                                         |
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
/// |    128 |    2 | pathBytes      | length of the path, 0 if it is longer than 3966           |
/// |    130 |    ? | path           | of the layer, in UTF-8; its hash is pathHash              |
///
/// Of a layer with an external data file `layer` is of both: the sizes added up, inode and times mixed.
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
    private static final int VERSION = 2;
    private static final int COMPLETE = 1;
    private static final int CHANGING = 2;
    private static final int CHECKSUM_AT = 120;
    private static final int PATH_BYTES_MAX = 4096 - SIZE_BYTES - Short.BYTES;
    private static final long MIX = 0x9e3779b97f4a7c15L;

    /// Which layer, in which state, the index is of.
    record Stamp(long pathHash, long sizeBytes, long device, long inode, long modifiedNanos, long changedNanos) {
        static Stamp of(LayerIdentity identity) {
            var stamp = new Stamp(
                    hash(identity.layer().path()),
                    identity.sizeBytes(),
                    identity.device(),
                    identity.inode(),
                    identity.modifiedNanos(),
                    identity.changedNanos());
            DataFile data = identity.dataFile();
            return data == null ? stamp : stamp.with(data);
        }

        private static long hash(String path) {
            return Xxh3.hash64(ByteBuffer.wrap(path.getBytes(StandardCharsets.UTF_8)));
        }

        private Stamp with(DataFile data) {
            return new Stamp(
                    pathHash,
                    sizeBytes + data.sizeBytes(),
                    device,
                    inode * MIX + data.inode(),
                    modifiedNanos * MIX + data.modifiedNanos(),
                    changedNanos);
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

    /// {@return the header of a complete index with the same content}
    IndexHeader with(Stamp newStamp) {
        return new IndexHeader(true, blockCount, indexedBlocks, entries, capacity, digest, newStamp);
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

    /// {@return what stands behind the header: the path of the layer, for people and for a clean-up}
    static ByteBuffer encodePath(String path) {
        byte[] bytes = path.getBytes(StandardCharsets.UTF_8);
        byte[] kept = bytes.length <= PATH_BYTES_MAX ? bytes : new byte[0];
        return ByteBuffer.allocate(Short.BYTES + kept.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putShort((short) kept.length)
                .put(kept)
                .flip();
    }

    /// {@return the path of the layer of which an index is, complete or not; empty if that is not to be found}
    ///
    /// @param raw the first 4096 bytes of the file, or fewer
    static Optional<String> decodePath(ByteBuffer raw) {
        ByteBuffer bytes = raw.order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.remaining() < SIZE_BYTES + Short.BYTES
                || bytes.getLong(0) != MAGIC
                || bytes.getInt(8) != VERSION
                || bytes.getLong(CHECKSUM_AT) != Xxh3.hash64(bytes.slice(0, CHECKSUM_AT))) {
            return Optional.empty();
        }
        int length = bytes.getShort(SIZE_BYTES);
        if (length <= 0 || length > bytes.remaining() - SIZE_BYTES - Short.BYTES) {
            return Optional.empty();
        }
        String path = StandardCharsets.UTF_8
                .decode(bytes.slice(SIZE_BYTES + Short.BYTES, length))
                .toString();
        return Stamp.hash(path) == bytes.getLong(64) ? Optional.of(path) : Optional.empty();
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
