package dev.dormouse.index;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.disk.LayerView;
import dev.dormouse.storage.StorageException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongConsumer;

/// Which blocks of one layer have which content: a file of our own, mapped. The heap does not grow with it.
/// Any thread may look things up, while nobody builds or refreshes.
///
/// | part    | at                     | what                                                                |
/// |---------|------------------------|---------------------------------------------------------------------|
/// | header  | 0                      | [IndexHeader]                                                       |
/// | forward | 4096                   | XXH3-64 of each block of the layer, 0: zeros or not in this layer   |
/// | tags    | next multiple of 4096  | a byte for each place of the [BlockTable]                           |
/// | blocks  | next multiple of 4096  | a 32-bit block number for each place                                |
///
/// Invariants:
/// - what it answers is a hint: the bytes of the block decide;
/// - a file of the wrong length, or whose header is not exactly right, is not mapped;
/// - the header says *complete* only while the rest is not being changed;
/// - only places of the file that have been written before are written through the mapping: a full disk is an
///   error and not a signal.
public final class BlockIndex implements AutoCloseable {
    private static final int BLOCK = LayerView.BLOCK_BYTES;
    private static final int ALIGNMENT = 4096;
    private static final long CAPACITY_MIN = 4096;
    private static final int ZERO_BYTES = 1 << 20;
    private static final int LOAD_PERCENT_MAX = 85;
    private static final int BEREFT_MAX = 1 << 16;
    private static final int SEARCH_BLOCKS_MAX = 1 << 14;

    private final FileChannel channel;
    private Path file;
    private IndexHeader header;
    private Mapping mapping;
    private ContentDigest digest;
    private long indexedBlocks;

    // Whether all is there but a header that says so.
    private boolean unsynced;
    private boolean closed;

    // Of a refresh: hashes of which the table had as many blocks as it takes, and lost one.
    private final Set<Long> bereft = new HashSet<>();
    private final long[] copies = new long[BlockTable.COPIES_MAX];

    private BlockIndex(FileChannel channel, Path file, IndexHeader header) throws IOException {
        this.channel = channel;
        this.file = file;
        this.header = header;
        this.digest = header.digest();
        this.indexedBlocks = header.indexedBlocks();
        this.mapping = new Mapping(channel, header.blockCount(), header.capacity(), header.entries());
    }

    /// Makes an empty index in a file that exists and is empty; nothing but [#build] makes it complete.
    ///
    /// @param identity of the layer, taken before it is read
    /// @param entries how many there may be for a start
    static BlockIndex create(Path file, long blockCount, long entries, LayerIdentity identity) throws IOException {
        if (blockCount > IndexHeader.BLOCKS_MAX) {
            throw new IndexException("%s: has %d blocks of 4 KiB, an index takes at most %d"
                    .formatted(identity.layer().path(), blockCount, IndexHeader.BLOCKS_MAX));
        }
        var header = new IndexHeader(
                false, blockCount, 0, 0, capacityFor(entries), ContentDigest.EMPTY, IndexHeader.Stamp.of(identity));
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        boolean complete = false;
        try {
            clearTable(channel, file, blockCount, header.capacity());
            var index = new BlockIndex(channel, file, header);
            index.writeHeader(header);
            index.write(IndexHeader.encodePath(identity.layer().path()), IndexHeader.SIZE_BYTES);
            complete = true;
            return index;
        } finally {
            if (!complete) {
                channel.close();
            }
        }
    }

    /// Opens an index, if there is a complete one in the file.
    static Optional<BlockIndex> open(Path file) throws IOException {
        FileChannel channel;
        try {
            channel = FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        } catch (NoSuchFileException _) {
            return Optional.empty();
        }
        boolean complete = false;
        try {
            Optional<IndexHeader> header = readHeader(channel);
            if (header.isEmpty()) {
                return Optional.empty();
            }
            var index = new BlockIndex(channel, file, header.get());
            complete = true;
            return Optional.of(index);
        } finally {
            if (!complete) {
                channel.close();
            }
        }
    }

    private static Optional<IndexHeader> readHeader(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(IndexHeader.SIZE_BYTES);
        while (bytes.hasRemaining() && channel.read(bytes, bytes.position()) >= 0) {
            // A short file is found by what is missing.
        }
        return IndexHeader.decode(bytes.flip())
                .filter(header -> isLength(channel, lengthBytes(header.blockCount(), header.capacity())));
    }

    private static boolean isLength(FileChannel channel, long lengthBytes) {
        try {
            return channel.size() == lengthBytes;
        } catch (IOException _) {
            return false;
        }
    }

    /// Hashes all data of the layer. Afterwards the index is complete.
    ///
    /// @return how many bytes were read
    long build(LayerView layer, IndexListener listener) throws IOException {
        long blocks = BlockChunks.count(BlockChunks.ofData(layer));
        long readBytes = hash(layer, BlockChunks.ofData(layer), blocks, header.stamp(), listener);
        writeHeader(header);
        return readBytes;
    }

    /// Hashes the blocks again that the ranges touch. It can be asked at once, but the file is complete only
    /// after [#close], which waits for the disk: what is refreshed in a pause of a guest is not to wait
    /// there. If this fails, or the process ends before that, the index counts as none.
    ///
    /// @param ranges all that changed since the index was built or refreshed, in bytes of what the guest sees
    /// @param now the layer's identity, taken before it is read
    /// @return how many bytes were read
    long refresh(LayerView layer, List<ByteRange> ranges, LayerIdentity now, IndexListener listener)
            throws IOException {
        if (layer.blockCount() != header.blockCount()) {
            throw new IllegalArgumentException("an index of %d blocks cannot be refreshed by a layer of %d"
                    .formatted(header.blockCount(), layer.blockCount()));
        }
        long blocks = BlockChunks.count(BlockChunks.of(ranges, layer.blockCount()));
        markChanging();
        ensureCapacity(blocks);
        IndexHeader.Stamp stamp = IndexHeader.Stamp.of(now);
        long readBytes = hash(layer, BlockChunks.of(ranges, layer.blockCount()), blocks, stamp, listener);
        unsynced = true;
        return readBytes;
    }

    /// Says that the layer is still what it was, although its file was touched. As after [#refresh], the file
    /// is complete only after [#close].
    public void confirm(LayerIdentity now) throws IOException {
        IndexHeader.Stamp stamp = IndexHeader.Stamp.of(now);
        if (!unsynced) {
            markChanging();
        }
        header = header.with(stamp);
        unsynced = true;
    }

    private long hash(LayerView layer, BlockChunks chunks, long blocks, IndexHeader.Stamp stamp, IndexListener listener)
            throws IOException {
        long readBytes = new BlockHasher(layer, chunks, blocks * BLOCK, this::replace, listener).run();
        insertLeftOut(layer);
        header = new IndexHeader(
                true, header.blockCount(), indexedBlocks, mapping.table.entries(), header.capacity(), digest, stamp);
        return readBytes;
    }

    /// A crash from here on leaves an index that is not complete.
    private void markChanging() throws IOException {
        writeHeader(new IndexHeader(
                false,
                header.blockCount(),
                indexedBlocks,
                mapping.table.entries(),
                header.capacity(),
                digest,
                header.stamp()));
        unsynced = false;
    }

    /// Gives blocks the hashes that they have now: out of the table with the old ones, then the forward
    /// array, then into the table.
    private synchronized void replace(long firstBlock, int blocks, long[] hashes) throws IOException {
        boolean changed = false;
        for (int i = 0; i < blocks; i++) {
            long block = firstBlock + i;
            long old = mapping.hash(block);
            if (old != hashes[i]) {
                changed = true;
                account(block, old, hashes[i]);
                if (old != 0) {
                    remove(block, old);
                }
            }
        }
        if (!changed) {
            return; // Above all: a hole stays one.
        }
        // What is inserted must be known: those that did not change would be inserted twice.
        var inserted = new boolean[blocks];
        for (int i = 0; i < blocks; i++) {
            inserted[i] = hashes[i] != 0 && mapping.hash(firstBlock + i) != hashes[i];
        }
        writeForward(firstBlock, blocks, hashes);
        for (int i = 0; i < blocks; i++) {
            if (inserted[i]) {
                mapping.table.insert(firstBlock + i, hashes[i]);
            }
        }
    }

    private void remove(long block, long hash) {
        if (bereft.size() < BEREFT_MAX && mapping.table.lookup(hash, copies) == BlockTable.COPIES_MAX) {
            bereft.add(hash); // There may be more of them that are not in the table.
        }
        mapping.table.remove(block, hash);
    }

    /// Of many equal blocks the table has four. Where one of those is gone, another takes its place.
    private void insertLeftOut(LayerView layer) {
        bereft.removeIf(hash -> mapping.table.lookup(hash, copies) == BlockTable.COPIES_MAX);
        if (bereft.isEmpty()) {
            return;
        }
        var filter = new BitSet(1 << Short.SIZE); // Answers for nearly all blocks.
        bereft.forEach(hash -> filter.set(hash.intValue() & 0xffff));
        BlockChunks chunks = BlockChunks.ofData(layer);
        var chunk = new BlockChunks.Chunk();
        while (chunks.next(chunk)) {
            for (long block = chunk.firstBlock; block < chunk.firstBlock + chunk.blocks; block++) {
                long hash = mapping.hash(block);
                if (filter.get((int) hash & 0xffff) && bereft.contains(hash)) {
                    mapping.table.insert(block, hash);
                }
            }
        }
        bereft.clear();
    }

    private void account(long block, long old, long hash) {
        long low = digest.low();
        long high = digest.high();
        if (old != 0) {
            low -= ContentDigest.mixLow(block, old);
            high -= ContentDigest.mixHigh(block, old);
            indexedBlocks--;
        }
        if (hash != 0) {
            low += ContentDigest.mixLow(block, hash);
            high += ContentDigest.mixHigh(block, hash);
            indexedBlocks++;
        }
        digest = new ContentDigest(low, high);
    }

    private void writeForward(long firstBlock, int blocks, long[] hashes) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(blocks * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asLongBuffer().put(hashes, 0, blocks);
        write(bytes, ALIGNMENT + firstBlock * Long.BYTES);
    }

    /// Makes room for so many more entries, before any is added.
    private void ensureCapacity(long added) throws IOException {
        long entries = mapping.table.entries() + added;
        // A table that was built for its entries takes a fifth more before it is made anew.
        if (entries <= header.capacity() / 100 * LOAD_PERCENT_MAX) {
            return;
        }
        long capacity = Math.min(Math.max(capacityFor(entries), header.capacity() * 3 / 2), IndexHeader.CAPACITY_MAX);
        clearTable(channel, file, header.blockCount(), capacity);
        mapping.close();
        mapping = new Mapping(channel, header.blockCount(), capacity, 0);
        header = new IndexHeader(false, header.blockCount(), indexedBlocks, 0, capacity, digest, header.stamp());
        for (long block = 0; block < header.blockCount(); block++) {
            long hash = mapping.hash(block);
            if (hash != 0) {
                mapping.table.insert(block, hash);
            }
        }
    }

    /// Hands out the blocks with this hash, at most four of them.
    ///
    /// @param hash XXH3-64 of a page
    public void lookup(long hash, LongConsumer consumer) {
        var found = new long[BlockTable.COPIES_MAX];
        int count = lookup(hash, found);
        for (int i = 0; i < count; i++) {
            consumer.accept(found[i]);
        }
    }

    /// {@return how many block numbers are in the array}
    int lookup(long hash, long[] into) {
        return mapping.table.lookup(BlockHasher.key(hash), into);
    }

    /// {@return the next block from there on, within 64 MiB of the disk, that has this hash, -1 if there is
    /// none}
    long nextWith(long hash, long from) {
        long key = BlockHasher.key(hash);
        long end = Math.min(header.blockCount(), from + SEARCH_BLOCKS_MAX);
        for (long block = from; block < end; block++) {
            if (mapping.hash(block) == key) {
                return block;
            }
        }
        return -1;
    }

    /// {@return whether this layer's block has this hash, as far as the index knows}
    boolean hasHash(long block, long hash) {
        return block < header.blockCount() && mapping.hash(block) == BlockHasher.key(hash);
    }

    /// {@return whether this layer has another content than zeros there, as far as the index knows}
    boolean holds(long block) {
        return block < header.blockCount() && mapping.hash(block) != 0;
    }

    /// {@return the whole blocks of the layer}
    public long blockCount() {
        return header.blockCount();
    }

    /// {@return the blocks of the layer that it holds itself and that are not zero}
    public long indexedBlocks() {
        return indexedBlocks;
    }

    /// {@return what the layer held when it was indexed}
    public ContentDigest digest() {
        return digest;
    }

    /// {@return the length of the file; parts of it may be holes}
    public long lengthBytes() {
        return lengthBytes(header.blockCount(), header.capacity());
    }

    /// {@return the bytes of the file that say something: the rest of it are holes or zeros}
    public long usedBytes() {
        return ALIGNMENT + indexedBlocks * Long.BYTES + header.capacity() * (1 + Integer.BYTES);
    }

    /// Says that its file has another name now.
    void moved(Path name) {
        file = name;
    }

    public Path file() {
        return file;
    }

    /// {@return whether it is of this layer in this state}
    public boolean isOf(LayerIdentity identity) {
        return header.stamp().matches(IndexHeader.Stamp.of(identity));
    }

    @Override
    public void close() throws IOException {
        if (closed) {
            return;
        }
        closed = true;
        try (channel) {
            mapping.close();
            if (unsynced) {
                channel.force(false);
                writeHeader(header);
            }
        }
    }

    /// A load of 0.7, less for few entries.
    private static long capacityFor(long entries) {
        return Math.max(CAPACITY_MIN, entries + entries / 7 * 3 + 7);
    }

    private static long tagsAt(long blockCount) {
        return align(ALIGNMENT + blockCount * Long.BYTES);
    }

    private static long blocksAt(long blockCount, long capacity) {
        return align(tagsAt(blockCount) + capacity);
    }

    private static long lengthBytes(long blockCount, long capacity) {
        return blocksAt(blockCount, capacity) + capacity * Integer.BYTES;
    }

    private static long align(long at) {
        return (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    /// Writes zeros where the table is: that takes the space, so that a full disk is found here.
    private static void clearTable(FileChannel channel, Path file, long blockCount, long capacity) throws IOException {
        ByteBuffer zeros = ByteBuffer.allocateDirect(ZERO_BYTES);
        long end = lengthBytes(blockCount, capacity);
        for (long at = tagsAt(blockCount); at < end; at += ZERO_BYTES) {
            write(channel, file, zeros.clear().limit((int) Math.min(ZERO_BYTES, end - at)), at);
        }
    }

    private void writeHeader(IndexHeader written) throws IOException {
        write(written.encode(), 0);
    }

    private void write(ByteBuffer bytes, long position) throws IOException {
        write(channel, file, bytes, position);
    }

    private static void write(FileChannel channel, Path file, ByteBuffer bytes, long position) throws IOException {
        long at = position;
        try {
            while (bytes.hasRemaining()) {
                at += channel.write(bytes, at);
            }
        } catch (IOException e) {
            throw new StorageException(file, "block index cannot be written: " + e.getMessage(), e);
        }
    }

    /// The file in memory. A file that grows gets another one.
    private static final class Mapping {
        private final Arena arena = Arena.ofShared();
        private final MemorySegment forward;
        private final BlockTable table;

        Mapping(FileChannel channel, long blockCount, long capacity, long entries) throws IOException {
            boolean complete = false;
            try {
                MemorySegment all = channel.map(MapMode.READ_WRITE, 0, lengthBytes(blockCount, capacity), arena);
                forward = all.asSlice(ALIGNMENT, blockCount * Long.BYTES);
                table = new BlockTable(
                        forward,
                        all.asSlice(tagsAt(blockCount), capacity),
                        all.asSlice(blocksAt(blockCount, capacity), capacity * Integer.BYTES),
                        entries);
                complete = true;
            } finally {
                if (!complete) {
                    arena.close();
                }
            }
        }

        long hash(long block) {
            return forward.getAtIndex(JAVA_LONG, block);
        }

        void close() {
            arena.close();
        }
    }
}
