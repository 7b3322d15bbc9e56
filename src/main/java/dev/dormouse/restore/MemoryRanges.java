package dev.dormouse.restore;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Ranges of memory as the kernel takes them, an array of `struct iovec`. One that begins where the last one ends is
/// joined to it. One thread.
final class MemoryRanges {
    /// The kernel takes twice as many.
    static final int COUNT_MAX = 512;

    private final long[] values = new long[2 * COUNT_MAX]; // A process that has just begun is slow with segments.
    private final MemorySegment vector;
    private int count;
    private long endAddress;

    MemoryRanges(Arena arena) {
        vector = arena.allocate(values.length * JAVA_LONG.byteSize(), JAVA_LONG.byteAlignment());
    }

    /// @throws IllegalStateException if there are [#COUNT_MAX] already
    void add(long address, long lengthBytes) {
        if (count > 0 && address == endAddress) {
            values[2 * count - 1] += lengthBytes;
        } else {
            if (isFull()) {
                throw new IllegalStateException("more than " + COUNT_MAX + " ranges");
            }
            values[2 * count] = address;
            values[2 * count + 1] = lengthBytes;
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

    /// {@return the array, as long as it has to be; valid until something is added}
    MemorySegment vector() {
        MemorySegment.copy(values, 0, vector, JAVA_LONG, 0, 2 * count);
        return vector.asSlice(0, 2L * count * JAVA_LONG.byteSize());
    }
}
