package dev.dormouse.index;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.Layer;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;

/// Finds pages of memory on one disk: the indexes of its layers say where to look, the bytes of the frozen
/// disk decide. Any number of threads.
public final class DiskIndex implements AutoCloseable {
    private static final int BLOCK = DiskView.BLOCK_BYTES;
    private static final int READS_MAX = 8;
    private static final int WINDOW_BLOCKS = 16;

    // A layer's table holds four blocks of equal ones. If layers above hide these, more are looked for behind
    // them: equal blocks come in runs.
    private static final int HIDDEN_COPIES_MAX = 4096;

    private final DiskView disk;
    private final List<BlockIndex> layers; // Top first.
    private final ThreadLocal<Window> windows = ThreadLocal.withInitial(Window::new);
    private final LongAdder unreadable = new LongAdder();

    /// @param disk the whole disk; it is not closed with this
    /// @param layersTopFirst closed with this
    public DiskIndex(DiskView disk, List<BlockIndex> layersTopFirst) {
        this.disk = disk;
        this.layers = List.copyOf(layersTopFirst);
    }

    /// Opens the indexes of all layers of a chain, building those that are missing or stale.
    public static DiskIndex open(BackingChain chain, DiskView disk, IndexStore store, IndexListener listener)
            throws IOException {
        return open(store.open(chain.top(), listener).index(), chain, disk, store, listener);
    }

    /// As [#open(BackingChain, DiskView, IndexStore, IndexListener)], with the index of the top layer, which
    /// may be one that is complete only after it is closed. It is closed with this, or if this fails.
    public static DiskIndex open(
            BlockIndex top, BackingChain chain, DiskView disk, IndexStore store, IndexListener listener)
            throws IOException {
        var layers = new ArrayList<BlockIndex>(List.of(top));
        boolean complete = false;
        try {
            for (Layer layer : chain.withoutTop().layers().reversed()) {
                layers.add(store.open(layer, listener).index());
            }
            complete = true;
            return new DiskIndex(disk, layers);
        } finally {
            if (!complete) {
                closeAll(layers);
            }
        }
    }

    /// Finds a block of the frozen disk whose bytes are those of the page.
    ///
    /// @param checksum XXH3-64 of the page
    /// @param page 4096 bytes that nobody changes meanwhile
    /// @param hint where to look first, -1 if unknown: give the last match of a run plus one
    /// @return the number of the block as the guest sees the disk, -1 if none was found. A block that cannot be
    ///     read is not found; [#unreadableBlocks] counts them
    public long find(long checksum, MemorySegment page, long hint) {
        if (page.byteSize() != BLOCK) {
            throw new IllegalArgumentException("a page of " + page.byteSize() + " bytes, 4096 are allowed");
        }
        try {
            return find(checksum, page, hint, windows.get());
        } catch (InternalError _) {
            // What the JVM makes of a page of a mapped file that cannot be read. It was only a hint.
            unreadable.increment();
            return -1;
        }
    }

    private long find(long checksum, MemorySegment page, long hint, Window window) {
        int reads = 0;
        if (hint >= 0 && hint < disk.blockCount() && isLikely(hint, checksum)) {
            reads++;
            if (window.holds(hint, page, true)) {
                return hint;
            }
        }
        for (BlockIndex layer : layers) {
            int count = layer.lookup(checksum, window.candidates);
            int left = count == BlockTable.COPIES_MAX ? HIDDEN_COPIES_MAX : 0;
            long block = -1;
            for (int i = 0; i < count + left && reads < READS_MAX; i++) {
                block = i < count ? window.candidates[i] : layer.nextWith(checksum, block + 1);
                if (block < 0) {
                    break;
                }
                if (block == hint || block >= disk.blockCount() || !isLikely(block, checksum)) {
                    continue;
                }
                reads++;
                if (window.holds(block, page, false)) {
                    return block;
                }
            }
        }
        return -1;
    }

    /// Whether the uppermost layer that has something there has this hash. Zeros that hide a block are not
    /// known here; the bytes tell.
    private boolean isLikely(long block, long checksum) {
        for (BlockIndex layer : layers) {
            if (layer.holds(block)) {
                return layer.hasHash(block, checksum);
            }
        }
        return false;
    }

    /// {@return how often a block could not be read to compare it, or an index to find it}
    public long unreadableBlocks() {
        return unreadable.sum();
    }

    /// {@return the indexes, that of the top layer first}
    public List<BlockIndex> layers() {
        return layers;
    }

    public DiskView disk() {
        return disk;
    }

    @Override
    public void close() throws IOException {
        closeAll(layers);
    }

    private static void closeAll(List<BlockIndex> layers) throws IOException {
        IOException failure = null;
        for (BlockIndex layer : layers) {
            try {
                layer.close();
            } catch (IOException e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }

    /// The last blocks that a thread read to compare them.
    private final class Window {
        private final long[] candidates = new long[BlockTable.COPIES_MAX];
        private final ByteBuffer buffer = ByteBuffer.allocateDirect(WINDOW_BLOCKS * BLOCK);
        private final MemorySegment bytes = MemorySegment.ofBuffer(buffer.duplicate());
        private long first;
        private long count;

        /// @param run whether the blocks behind it are likely to be asked for next
        boolean holds(long block, MemorySegment page, boolean run) {
            if (block < first || block >= first + count) {
                if (!read(block, run ? Math.min(WINDOW_BLOCKS, disk.blockCount() - block) : 1)) {
                    return false;
                }
            }
            return page.mismatch(bytes.asSlice((block - first) * BLOCK, BLOCK)) == -1;
        }

        private boolean read(long block, long blocks) {
            count = 0; // Until it has succeeded the buffer holds anything.
            try {
                disk.read(block, buffer.clear().limit((int) blocks * BLOCK));
            } catch (IOException _) {
                unreadable.increment();
                return false;
            }
            first = block;
            count = blocks;
            return true;
        }
    }
}
