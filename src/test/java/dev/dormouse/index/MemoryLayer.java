package dev.dormouse.index;

import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.disk.LayerView;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicLong;

/// A layer in memory: each block is absent, zero or filled from a number, so that equal numbers are equal
/// blocks.
final class MemoryLayer implements LayerView {
    static final long ABSENT = -1;
    static final long ZEROS = 0;

    private final long[] contents;
    final AtomicLong readBlocks = new AtomicLong();

    MemoryLayer(int blocks) {
        contents = new long[blocks];
        Arrays.fill(contents, ABSENT);
    }

    /// {@return a layer with about half of its blocks present, some zero, some equal to others}
    static MemoryLayer random(int blocks, SplittableRandom random) {
        var layer = new MemoryLayer(blocks);
        for (int i = 0; i < blocks; i++) {
            layer.contents[i] = randomContent(random);
        }
        return layer;
    }

    static long randomContent(SplittableRandom random) {
        return switch (random.nextInt(8)) {
            case 0, 1, 2 -> ABSENT;
            case 3 -> ZEROS;
            case 4 -> 1 + random.nextInt(20);
            default -> random.nextLong(100, Long.MAX_VALUE);
        };
    }

    void set(long block, long content) {
        contents[(int) block] = content;
    }

    long content(long block) {
        return contents[(int) block];
    }

    static ByteBuffer page(long content) {
        ByteBuffer page = ByteBuffer.allocateDirect(BLOCK_BYTES);
        fill(page, content);
        return page.flip();
    }

    private static void fill(ByteBuffer into, long content) {
        for (int i = 0; i < BLOCK_BYTES / 8; i++) {
            into.putLong(content <= 0 ? 0 : content * (i + 1) ^ i);
        }
    }

    static LayerIdentity identity(long modifiedNanos) {
        return new LayerIdentity(new Layer("/disks/a.qcow2", Layer.Format.QCOW2), 1, 2, 3, modifiedNanos, 5, null);
    }

    @Override
    public long blockCount() {
        return contents.length;
    }

    @Override
    public void read(long block, ByteBuffer into) throws IOException {
        int blocks = into.remaining() / BLOCK_BYTES;
        if (block < 0 || block + blocks > contents.length) {
            throw new DiskException("memory: no such block");
        }
        readBlocks.addAndGet(blocks);
        for (int i = 0; i < blocks; i++) {
            fill(into, contents[(int) block + i]);
        }
    }

    @Override
    public long readingOrder(long block) {
        return block;
    }

    @Override
    public boolean isZero(long block, long blocks) {
        for (long i = block; i < block + blocks; i++) {
            if (contents[(int) i] != ABSENT) {
                return false;
            }
        }
        return true;
    }

    @Override
    public DataExtents dataExtents() {
        return new DataExtents() {
            private int start;
            private int end;

            @Override
            public boolean next() {
                start = end;
                while (start < contents.length && contents[start] == ABSENT) {
                    start++;
                }
                end = start;
                while (end < contents.length && contents[end] != ABSENT) {
                    end++;
                }
                return start < contents.length;
            }

            @Override
            public long startBytes() {
                return (long) start * BLOCK_BYTES;
            }

            @Override
            public long lengthBytes() {
                return (long) (end - start) * BLOCK_BYTES;
            }
        };
    }

    @Override
    public void close() {}
}
