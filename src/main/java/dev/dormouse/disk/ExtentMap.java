package dev.dormouse.disk;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Where each byte of a disk lies: extents without a gap from 0 to the disk's end, outside the heap, for
/// there may be millions. Filled by one thread, then read by any.
///
/// A place is [#ZERO], [#EXPORT], or the number of a layer and the offset in its file.
final class ExtentMap implements AutoCloseable {
    static final long ZERO = -1;
    /// Only QEMU can read it: compressed, encrypted, or without a place in a file that we know.
    static final long EXPORT = -2;

    static final int LAYERS_MAX = 0x7000;
    private static final int OFFSET_BITS = 48;
    private static final long OFFSET_MAX = (1L << OFFSET_BITS) - 1;
    private static final long ENTRY_BYTES = 16;
    private static final long INITIAL_ENTRIES = 1024;

    private Memory memory = new Memory(INITIAL_ENTRIES * ENTRY_BYTES);
    private MemorySegment entries = memory.segment;
    private long count;
    private long endBytes;
    private long lastPlace;

    /// {@return a place in a layer's file}
    static long place(int layer, long offset) {
        return offset > OFFSET_MAX ? EXPORT : (long) layer << OFFSET_BITS | offset;
    }

    static boolean isInFile(long place) {
        return place >= 0;
    }

    static int layer(long place) {
        return (int) (place >>> OFFSET_BITS);
    }

    static long offset(long place) {
        return place & OFFSET_MAX;
    }

    /// Appends an extent; one that carries on where the last one ends becomes a part of it.
    void add(long lengthBytes, long place) {
        if (lengthBytes == 0) {
            return;
        }
        if (count == 0 || !continues(place)) {
            ensureSpace();
            entries.set(JAVA_LONG, count * ENTRY_BYTES, endBytes);
            entries.set(JAVA_LONG, count * ENTRY_BYTES + 8, place);
            count++;
            lastPlace = place;
        }
        endBytes = Math.addExact(endBytes, lengthBytes);
    }

    private boolean continues(long place) {
        return isInFile(place)
                ? isInFile(lastPlace) && place == lastPlace + (endBytes - startBytes(count - 1))
                : place == lastPlace;
    }

    private void ensureSpace() {
        if (count * ENTRY_BYTES < entries.byteSize()) {
            return;
        }
        var larger = new Memory(entries.byteSize() * 2);
        larger.segment.copyFrom(entries);
        memory.arena.close();
        memory = larger;
        entries = larger.segment;
    }

    long count() {
        return count;
    }

    /// {@return the size of the disk}
    long endBytes() {
        return endBytes;
    }

    long startBytes(long index) {
        return entries.get(JAVA_LONG, index * ENTRY_BYTES);
    }

    long endBytes(long index) {
        return index + 1 < count ? startBytes(index + 1) : endBytes;
    }

    /// {@return the place of the first byte of an extent}
    long place(long index) {
        return entries.get(JAVA_LONG, index * ENTRY_BYTES + 8);
    }

    /// {@return the extent that holds the byte, which must be below the end}
    long find(long atBytes) {
        long low = 0;
        long high = count - 1;
        while (low < high) {
            long middle = (low + high + 1) >>> 1;
            if (startBytes(middle) <= atBytes) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return low;
    }

    @Override
    public void close() {
        memory.arena.close();
    }

    private static final class Memory {
        final Arena arena = Arena.ofShared();
        final MemorySegment segment;

        Memory(long lengthBytes) {
            segment = arena.allocate(lengthBytes, 8);
        }
    }
}
