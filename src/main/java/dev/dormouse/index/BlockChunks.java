package dev.dormouse.index;

import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.LayerView;
import dev.dormouse.disk.LayerView.DataExtents;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// The blocks that are to be hashed, in pieces of at most 1 MiB, ascending, each block once. Any thread.
final class BlockChunks {
    static final int BLOCKS_MAX = 256;
    private static final int BLOCK = DiskView.BLOCK_BYTES;

    private final DataExtents extents;
    private final long blockCount;
    private long next;
    private long end;

    /// A piece; owned by the thread that fills it.
    static final class Chunk {
        long firstBlock;
        int blocks;
    }

    private BlockChunks(DataExtents extents, long blockCount) {
        this.extents = extents;
        this.blockCount = blockCount;
    }

    /// {@return all blocks in which the layer has data}
    static BlockChunks ofData(LayerView layer) {
        return new BlockChunks(layer.dataExtents(), layer.blockCount());
    }

    /// {@return all blocks that the ranges touch; what is beyond the last whole block does not count}
    static BlockChunks of(List<ByteRange> ranges, long blockCount) {
        return new BlockChunks(new Ranges(ranges), blockCount);
    }

    /// {@return how many blocks these are}
    static long count(BlockChunks chunks) {
        long count = 0;
        var chunk = new Chunk();
        while (chunks.next(chunk)) {
            count += chunk.blocks;
        }
        return count;
    }

    /// Takes the next piece.
    ///
    /// @return whether there was one
    synchronized boolean next(Chunk into) {
        while (next >= end) {
            if (!extents.next()) {
                return false;
            }
            // A block that two extents share came with the first one.
            next = Math.max(next, extents.startBytes() / BLOCK);
            end = Math.min(blockCount, (extents.startBytes() + extents.lengthBytes() + BLOCK - 1) / BLOCK);
        }
        into.firstBlock = next;
        into.blocks = (int) Math.min(end - next, BLOCKS_MAX);
        next += into.blocks;
        return true;
    }

    private static final class Ranges implements DataExtents {
        private final List<ByteRange> sorted;
        private int index = -1;

        Ranges(List<ByteRange> ranges) {
            sorted = new ArrayList<>(ranges);
            sorted.removeIf(range -> range.lengthBytes() == 0);
            sorted.sort(Comparator.comparingLong(ByteRange::startBytes));
        }

        @Override
        public boolean next() {
            return ++index < sorted.size();
        }

        @Override
        public long startBytes() {
            return sorted.get(index).startBytes();
        }

        @Override
        public long lengthBytes() {
            return sorted.get(index).lengthBytes();
        }
    }
}
