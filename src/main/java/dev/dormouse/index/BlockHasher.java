package dev.dormouse.index;

import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.LayerView;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;

/// Reads blocks of a layer and hashes them, on all processors, with 1 MiB for each.
final class BlockHasher {
    private static final int BLOCK = DiskView.BLOCK_BYTES;
    private static final long ZERO_BLOCK = Xxh3.hash64(MemorySegment.ofArray(new byte[BLOCK]));

    private final LayerView layer;
    private final BlockChunks chunks;
    private final long totalBytes;
    private final Sink sink;
    private final IndexListener listener;
    private final AtomicLong doneBytes = new AtomicLong();
    private final AtomicLong readBytes = new AtomicLong();
    private final AtomicBoolean ending = new AtomicBoolean();

    /// Takes hashes; called by several threads.
    @FunctionalInterface
    interface Sink {
        /// @param hashes of the blocks from the first one on; 0 for a block of zeros
        void take(long firstBlock, int blocks, long[] hashes) throws IOException;
    }

    BlockHasher(LayerView layer, BlockChunks chunks, long totalBytes, Sink sink, IndexListener listener) {
        this.layer = layer;
        this.chunks = chunks;
        this.totalBytes = totalBytes;
        this.sink = sink;
        this.listener = listener;
    }

    /// {@return the hash by which an index knows a page: never 0}
    static long key(long hash) {
        return hash == 0 ? 1 : hash;
    }

    /// Returns when all is done, or one thread failed and all have ended.
    ///
    /// @return how many bytes were read
    long run() throws IOException {
        int threads = Runtime.getRuntime().availableProcessors();
        if (totalBytes <= (long) BlockChunks.BLOCKS_MAX * BLOCK) {
            work(); // Not worth a thread.
            return readBytes.get();
        }
        try (ExecutorService workers = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().name("index-", 0).daemon().factory())) {
            var ends = new ArrayList<Future<?>>();
            for (int i = 0; i < threads; i++) {
                ends.add(workers.submit(() -> {
                    try {
                        work();
                    } finally {
                        ending.set(true);
                    }
                    return null;
                }));
            }
            await(ends);
        }
        return readBytes.get();
    }

    private void await(List<Future<?>> ends) throws IOException {
        try {
            for (Future<?> end : ends) {
                end.get();
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException failure) {
                throw failure;
            }
            throw new IllegalStateException("hashing of blocks failed", e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IndexException("block index: interrupted while it was made", e);
        } finally {
            ending.set(true);
        }
    }

    private void work() throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(BlockChunks.BLOCKS_MAX * BLOCK);
        var hashes = new long[BlockChunks.BLOCKS_MAX];
        var chunk = new BlockChunks.Chunk();
        while (!ending.get() && chunks.next(chunk)) {
            if (listener.isCancelled()) {
                throw new IndexException("block index: cancelled while it was made");
            }
            hash(chunk, buffer.clear(), hashes);
            sink.take(chunk.firstBlock, chunk.blocks, hashes);
            listener.progress(doneBytes.addAndGet((long) chunk.blocks * BLOCK), totalBytes);
        }
    }

    private void hash(BlockChunks.Chunk chunk, ByteBuffer buffer, long[] hashes) throws IOException {
        if (layer.isZero(chunk.firstBlock, chunk.blocks)) {
            Arrays.fill(hashes, 0, chunk.blocks, 0);
            return;
        }
        buffer.limit(chunk.blocks * BLOCK);
        layer.read(chunk.firstBlock, buffer);
        readBytes.addAndGet(buffer.limit());
        MemorySegment bytes = MemorySegment.ofBuffer(buffer.flip());
        for (int i = 0; i < chunk.blocks; i++) {
            long hash = Xxh3.hash64(bytes.asSlice((long) i * BLOCK, BLOCK));
            // A block that is not zero and has the hash of zeros is not found: that costs a page, no more.
            hashes[i] = hash == ZERO_BLOCK ? 0 : key(hash);
        }
    }
}
