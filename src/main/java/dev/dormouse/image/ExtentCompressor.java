package dev.dormouse.image;

import com.github.luben.zstd.ZstdCompressCtx;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.jspecify.annotations.Nullable;

/// The threads that compress extents. Each owns a zstd context, whose tables stay in its core's cache.
/// The jobs that exist bound what is in flight.
final class ExtentCompressor implements AutoCloseable {
    private final BlockingQueue<ExtentJob> queue;
    private final Thread[] threads;

    ExtentCompressor(int threadCount, int jobCount, int level) {
        queue = new ArrayBlockingQueue<>(jobCount);
        threads = new Thread[threadCount];
        for (int i = 0; i < threadCount; i++) {
            threads[i] =
                    Thread.ofPlatform().name("image-compress-" + i).daemon().start(() -> run(level));
        }
    }

    /// Never blocks: the queue has room for every job there is.
    void submit(ExtentJob job) {
        queue.add(job);
    }

    private void run(int level) {
        try (ZstdCompressCtx context = new ZstdCompressCtx()) {
            // Checksums are ours and the lengths are in the extent table.
            context.setLevel(level).setChecksum(false).setContentSize(true);
            for (ExtentJob job = next(); job != null; job = next()) {
                job.compress(context);
            }
        }
    }

    /// {@return null to end the thread}
    private @Nullable ExtentJob next() {
        try {
            return queue.take();
        } catch (InterruptedException _) {
            return null;
        }
    }

    @Override
    public void close() {
        for (Thread thread : threads) {
            thread.interrupt();
        }
    }
}
