package dev.dormouse.restore;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Ranges of memory as the kernel takes them, an array of `struct iovec`. One that begins where the last one ends is
/// joined to it. One thread.
final class MemoryRanges {
    /// The kernel takes twice as many.
    static final int COUNT_MAX = 512;

    private final MemorySegment vector;
    private int count;
    private long endAddress;

    MemoryRanges(Arena arena) {
        vector = arena.allocate(2L * COUNT_MAX * JAVA_LONG.byteSize(), JAVA_LONG.byteAlignment());
    }

    /// @throws IllegalStateException if there are [#COUNT_MAX] already
    void add(long address, long lengthBytes) {
        if (count > 0 && address == endAddress) {
            long length = vector.getAtIndex(JAVA_LONG, 2L * count - 1);
            vector.setAtIndex(JAVA_LONG, 2L * count - 1, length + lengthBytes);
        } else {
            if (isFull()) {
                throw new IllegalStateException("more than " + COUNT_MAX + " ranges");
            }
            vector.setAtIndex(JAVA_LONG, 2L * count, address);
            vector.setAtIndex(JAVA_LONG, 2L * count + 1, lengthBytes);
            count++;
        }
        endAddress = address + lengthBytes;
    }

    boolean isFull() {
        return count == COUNT_MAX;
    }

    void clear() {
        count = 0;
    }

    /// {@return the array, as long as it has to be}
    MemorySegment vector() {
        return vector.asSlice(0, 2L * count * JAVA_LONG.byteSize());
    }
}
