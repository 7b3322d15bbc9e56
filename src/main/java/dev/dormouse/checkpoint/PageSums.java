package dev.dormouse.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.PageHasher;
import dev.dormouse.storage.SparseFile;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// The checksums of a running guest's pages at one moment, more or less: a page that has another one when the
/// guest stands still is one that it has just been writing. 8 bytes a page outside the heap, only around
/// pages that are not zero. Filled once, then read by any thread.
final class PageSums implements AutoCloseable {
    private static final int CHUNK_PAGES = 1024;
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;

    private final SparseFile file;
    private final Arena arena = Arena.ofShared();
    private final @Nullable MemorySegment[] chunks;
    private final AtomicLong next = new AtomicLong();

    private PageSums(SparseFile file) {
        this.file = file;
        long pages = file.lengthBytes() / PAGE;
        chunks = new MemorySegment[Math.toIntExact((pages + CHUNK_PAGES - 1) / CHUNK_PAGES)];
    }

    /// Reads all of the memory once.
    static PageSums of(SparseFile file, int threads) throws IOException {
        var sums = new PageSums(file);
        boolean complete = false;
        try (ExecutorService workers = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().name("heat-", 0).daemon().factory())) {
            var ends = new ArrayList<Future<?>>();
            for (int i = 0; i < threads; i++) {
                ends.add(workers.submit(() -> {
                    sums.work();
                    return null;
                }));
            }
            for (Future<?> end : ends) {
                end.get();
            }
            complete = true;
            return sums;
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException failure) {
                throw failure;
            }
            throw new IllegalStateException("reading a guest's memory failed", e.getCause());
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("capture: interrupted");
        } finally {
            if (!complete) {
                sums.close();
            }
        }
    }

    private void work() throws IOException {
        try (Arena own = Arena.ofConfined()) {
            MemorySegment bytes = own.allocate((long) CHUNK_PAGES * PAGE, PAGE);
            for (long chunk = next.getAndIncrement(); chunk < chunks.length; chunk = next.getAndIncrement()) {
                long start = chunk * CHUNK_PAGES * PAGE;
                long length = Math.min(bytes.byteSize(), file.lengthBytes() - start);
                if (file.nextData(start) < start + length) {
                    read(bytes.asSlice(0, length / PAGE * PAGE), (int) chunk);
                }
            }
        }
    }

    private void read(MemorySegment bytes, int chunk) throws IOException {
        file.readFully(bytes, (long) chunk * CHUNK_PAGES * PAGE);
        MemorySegment sums = arena.allocate((long) CHUNK_PAGES * Long.BYTES, Long.BYTES);
        for (int i = 0; i < bytes.byteSize() / PAGE; i++) {
            MemorySegment page = bytes.asSlice((long) i * PAGE, PAGE);
            sums.setAtIndex(JAVA_LONG, i, PageHasher.isZero(page) ? 0 : Xxh3.hash64(page));
        }
        chunks[chunk] = sums;
    }

    /// {@return whether a page that is not zero has another content now}
    boolean hasChanged(long page, long checksum) {
        MemorySegment sums = chunks[(int) (page / CHUNK_PAGES)];
        return sums == null || sums.getAtIndex(JAVA_LONG, page % CHUNK_PAGES) != checksum;
    }

    @Override
    public void close() {
        arena.close();
    }
}
