package dev.dormouse.storage;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;

/// Takes the result of a 128-bit hash, over and over, so that no result needs memory. One thread.
public final class Hash128 {
    private final MemorySegment words = Arena.ofAuto().allocate(16, 8);

    /// Hands out the same 16 bytes each time: where the native function puts its result.
    final SegmentAllocator allocator = (_, _) -> words;

    public long low() {
        return words.get(JAVA_LONG, 0);
    }

    public long high() {
        return words.get(JAVA_LONG, 8);
    }

    void set(long low, long high) {
        words.set(JAVA_LONG, 0, low);
        words.set(JAVA_LONG, 8, high);
    }
}
