package dev.dormouse.bench;

import dev.dormouse.index.ByteRange;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;

/// A large sparse raw disk whose every block can be told from the seed: data in pieces of 16 MiB that are scattered
/// over it, no two blocks alike. One thread.
final class SyntheticLayer {
    static final int BLOCK_BYTES = 4096;
    private static final int PIECE_BLOCKS = 4096;
    private static final int RUN_BLOCKS_MIN = 16;
    private static final int RUN_BLOCKS_MAX = 256;

    private final Path file;
    private final long virtualBytes;
    private final long seed;
    private final SplittableRandom random;
    private final BitSet pieces = new BitSet();
    private final BitSet changed = new BitSet();

    /// @param allocatedBytes at most the virtual size; both are rounded down to 16 MiB
    SyntheticLayer(Path file, long virtualBytes, long allocatedBytes, long seed) {
        if (allocatedBytes > virtualBytes) {
            throw new IllegalArgumentException("a layer of %d bytes with %d allocated, at most as much is allowed"
                    .formatted(virtualBytes, allocatedBytes));
        }
        this.file = file;
        this.virtualBytes = virtualBytes;
        this.seed = seed;
        this.random = new SplittableRandom(seed);
        int all = Math.toIntExact(virtualBytes / BLOCK_BYTES / PIECE_BLOCKS);
        long wanted = allocatedBytes / BLOCK_BYTES / PIECE_BLOCKS;
        for (int piece = 0; piece < all; piece++) { // So many of those that are left, each as likely.
            if (random.nextInt(all - piece) < wanted - pieces.cardinality()) {
                pieces.set(piece);
            }
        }
    }

    /// Writes the file and waits for the disk.
    void create() throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(1), virtualBytes - 1);
            for (int piece = pieces.nextSetBit(0); piece >= 0; piece = pieces.nextSetBit(piece + 1)) {
                for (int run = 0; run < PIECE_BLOCKS; run += RUN_BLOCKS_MAX) {
                    write(channel, (long) piece * PIECE_BLOCKS + run, RUN_BLOCKS_MAX);
                }
            }
            channel.force(true);
        }
    }

    /// Gives blocks other contents in place, in scattered runs of 64 KiB to 1 MiB.
    ///
    /// @return what was written, no block twice
    List<ByteRange> rewrite(long bytes) throws IOException {
        int[] all = pieces.stream().toArray();
        var ranges = new ArrayList<ByteRange>();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            long left = bytes / BLOCK_BYTES;
            while (left > 0) {
                int blocks = (int) Math.min(left, random.nextInt(RUN_BLOCKS_MIN, RUN_BLOCKS_MAX + 1));
                int first = all[random.nextInt(all.length)] * PIECE_BLOCKS + random.nextInt(PIECE_BLOCKS - blocks + 1);
                int next = changed.nextSetBit(first);
                if (next >= 0 && next < first + blocks) {
                    continue; // Some of it is new already.
                }
                changed.set(first, first + blocks);
                write(channel, first, blocks);
                ranges.add(new ByteRange((long) first * BLOCK_BYTES, (long) blocks * BLOCK_BYTES));
                left -= blocks;
            }
            channel.force(true);
        }
        return ranges;
    }

    private void write(FileChannel channel, long firstBlock, int blocks) throws IOException {
        var content = new byte[BLOCK_BYTES];
        ByteBuffer buffer = ByteBuffer.allocate(blocks * BLOCK_BYTES);
        for (int i = 0; i < blocks; i++) {
            content(firstBlock + i, content);
            buffer.put(content);
        }
        buffer.flip();
        long offset = firstBlock * BLOCK_BYTES;
        while (buffer.hasRemaining()) {
            offset += channel.write(buffer, offset);
        }
    }

    /// Makes the content that a block has now.
    void content(long block, byte[] into) {
        var bytes = new SplittableRandom(seed ^ (block * 2 + (isChanged(block) ? 1 : 0)) * 0xd134_2543_de82_ef95L);
        ByteBuffer buffer = ByteBuffer.wrap(into).order(ByteOrder.LITTLE_ENDIAN);
        while (buffer.hasRemaining()) {
            buffer.putLong(bytes.nextLong());
        }
    }

    /// {@return whether the block has data}
    boolean holds(long block) {
        return pieces.get(Math.toIntExact(block / PIECE_BLOCKS));
    }

    /// {@return whether the block was rewritten}
    boolean isChanged(long block) {
        return changed.get(Math.toIntExact(block));
    }

    /// Visits all blocks that have data, ascending.
    void forEachBlock(LongConsumer visitor) {
        pieces.stream().forEach(piece -> {
            for (int i = 0; i < PIECE_BLOCKS; i++) {
                visitor.accept((long) piece * PIECE_BLOCKS + i);
            }
        });
    }

    Path file() {
        return file;
    }

    long seed() {
        return seed;
    }

    long virtualBytes() {
        return virtualBytes;
    }

    long allocatedBlocks() {
        return (long) pieces.cardinality() * PIECE_BLOCKS;
    }

    long allocatedBytes() {
        return allocatedBlocks() * BLOCK_BYTES;
    }
}
