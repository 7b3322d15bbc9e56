package dev.dormouse.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.image.PageHash;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/// What the first pass has seen of each page of a block that was not zero: its hashes, and where on a disk
/// it was found. 32 bytes a page outside the heap, only around pages that are not zero.
///
/// One thread puts; others may read once it has stopped.
final class RememberedPages implements AutoCloseable {
    private static final int CHUNK_PAGES = 4096;
    private static final int LOW = 0;
    private static final int HIGH = 1;
    /// Location + 2, so that 0, as memory begins, stands for a page that was never put.
    private static final int PLACE = 2;

    private static final int CHECKSUM = 3;
    private static final int WORDS = 4;

    private final Arena arena = Arena.ofShared();
    private final @Nullable MemorySegment[] chunks;

    RememberedPages(long pageCount) {
        chunks = new MemorySegment[Math.toIntExact((pageCount + CHUNK_PAGES - 1) / CHUNK_PAGES)];
    }

    /// @param location on a disk, or [DiskLookup#NOT_FOUND]
    void put(long page, PageHash hash, long location) {
        int index = (int) (page / CHUNK_PAGES);
        MemorySegment chunk = chunks[index];
        if (chunk == null) {
            chunk = arena.allocate((long) CHUNK_PAGES * WORDS * Long.BYTES, Long.BYTES);
            chunks[index] = chunk;
        }
        chunk.setAtIndex(JAVA_LONG, word(page, LOW), hash.low());
        chunk.setAtIndex(JAVA_LONG, word(page, HIGH), hash.high());
        chunk.setAtIndex(JAVA_LONG, word(page, CHECKSUM), hash.checksum());
        chunk.setAtIndex(JAVA_LONG, word(page, PLACE), location + 2);
    }

    /// {@return whether the page was put, which means that it was not zero}
    boolean contains(long page) {
        MemorySegment chunk = chunk(page);
        return chunk != null && chunk.getAtIndex(JAVA_LONG, word(page, PLACE)) != 0;
    }

    /// {@return whether the page was put with these hashes, the keyed one and the checksum: a guest that wants
    /// its new bytes to pass for the old ones would have to find a collision of both, the first blind}
    boolean contains(long page, PageHash hash) {
        MemorySegment chunk = chunk(page);
        return chunk != null
                && chunk.getAtIndex(JAVA_LONG, word(page, PLACE)) != 0
                && chunk.getAtIndex(JAVA_LONG, word(page, LOW)) == hash.low()
                && chunk.getAtIndex(JAVA_LONG, word(page, HIGH)) == hash.high()
                && chunk.getAtIndex(JAVA_LONG, word(page, CHECKSUM)) == hash.checksum();
    }

    /// {@return the location of a page that was put}
    long location(long page) {
        MemorySegment chunk = chunk(page);
        assert chunk != null : "page " + page + " was never put";
        return chunk.getAtIndex(JAVA_LONG, word(page, PLACE)) - 2;
    }

    /// {@return the first page from this one on that may have been put, or the end of the range}
    long next(long page, long end) {
        long at = page;
        while (at < end && chunk(at) == null) {
            at = (at / CHUNK_PAGES + 1) * CHUNK_PAGES;
        }
        return Math.min(at, end);
    }

    private @Nullable MemorySegment chunk(long page) {
        return chunks[(int) (page / CHUNK_PAGES)];
    }

    private static long word(long page, int word) {
        return page % CHUNK_PAGES * WORDS + word;
    }

    @Override
    public void close() {
        arena.close();
    }
}
