package dev.dormouse.image;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The page table while it is written. Frames are zero pages until something else is put; a chunk takes
/// memory, outside the heap, from its first page that is not zero. One thread.
final class PageTableBuilder implements AutoCloseable {
    private static final ValueLayout.OfLong WORD = JAVA_LONG_UNALIGNED.withOrder(ImageFormat.ORDER);

    private long frameCount;
    private @Nullable MemorySegment[] chunks;
    private final Arena arena = Arena.ofShared();

    PageTableBuilder(long frameCount) {
        this.frameCount = frameCount;
        this.chunks = new MemorySegment[Math.toIntExact(ImageFormat.chunkCount(frameCount))];
    }

    long frameCount() {
        return frameCount;
    }

    /// Adds zero pages at the end.
    void extend(long newFrameCount) {
        int last = chunks.length - 1;
        MemorySegment partial = chunks[last];
        int entriesBefore = entries(last);
        frameCount = newFrameCount;
        chunks = Arrays.copyOf(chunks, Math.toIntExact(ImageFormat.chunkCount(newFrameCount)));
        if (partial != null && entries(last) > entriesBefore) {
            chunks[last] = grown(partial, entriesBefore, last);
        }
    }

    /// The checksums lie behind the locators, so both move when a chunk gets more entries.
    private MemorySegment grown(MemorySegment partial, int entriesBefore, int index) {
        MemorySegment chunk = newChunk(index);
        long words = (long) entriesBefore * WORD.byteSize();
        MemorySegment.copy(partial, 0, chunk, 0, words);
        MemorySegment.copy(partial, words, chunk, entries(index) * WORD.byteSize(), words);
        return chunk;
    }

    int chunkCount() {
        return chunks.length;
    }

    /// {@return whether anything but zero pages was ever put into the chunk}
    boolean hasChunk(int index) {
        return chunks[index] != null;
    }

    long locator(long frame) {
        MemorySegment chunk = chunks[chunkIndex(frame)];
        return chunk == null ? PageLocator.ZERO : chunk.getAtIndex(WORD, entryIndex(frame));
    }

    void put(long frame, long locator, long checksum) {
        int index = chunkIndex(frame);
        MemorySegment chunk = chunks[index];
        if (chunk == null) {
            if (locator == PageLocator.ZERO) {
                return;
            }
            chunk = newChunk(index);
            chunks[index] = chunk;
        }
        chunk.setAtIndex(WORD, entryIndex(frame), locator);
        chunk.setAtIndex(WORD, entries(index) + entryIndex(frame), checksum);
    }

    void putLocator(long frame, long locator) {
        MemorySegment chunk = chunks[chunkIndex(frame)];
        assert chunk != null : "frame " + frame + " was never put";
        chunk.setAtIndex(WORD, entryIndex(frame), locator);
    }

    /// {@return the chunk as it stands on file before compression, or null if all its pages are zero}
    @Nullable
    MemorySegment chunk(int index) {
        MemorySegment chunk = chunks[index];
        if (chunk == null) {
            return null;
        }
        for (int i = 0; i < entries(index); i++) {
            if (chunk.getAtIndex(WORD, i) != PageLocator.ZERO) {
                return chunk;
            }
        }
        return null;
    }

    @Override
    public void close() {
        arena.close();
    }

    private MemorySegment newChunk(int index) {
        int entries = entries(index);
        MemorySegment chunk = arena.allocate((long) entries * ImageFormat.PageEntry.SIZE_BYTES, 8);
        for (int i = 0; i < entries; i++) {
            chunk.setAtIndex(WORD, i, PageLocator.ZERO);
        }
        return chunk;
    }

    private int entries(int chunkIndex) {
        return ImageFormat.chunkEntries(frameCount, chunkIndex);
    }

    private static int chunkIndex(long frame) {
        return (int) (frame / ImageFormat.CHUNK_ENTRIES);
    }

    private static int entryIndex(long frame) {
        return (int) (frame % ImageFormat.CHUNK_ENTRIES);
    }
}
