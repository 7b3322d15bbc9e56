package dev.dormouse.index;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/// From a hash to the numbers of blocks that have it: open addressing with linear probing. A place is a
/// byte of the hash, 0 where the place is free, and the block's number; the whole hash is in the forward
/// array, which is looked at only when the byte fits. One thread changes it; any number look things up while
/// nobody does.
///
/// Whatever bytes the file holds, nothing here loops for ever or leaves the mapping.
final class BlockTable {
    /// More blocks of the same content would make clusters of places that never help.
    static final int COPIES_MAX = 4;

    // At the load that is allowed, runs of used places are hundreds at most.
    private static final int PROBES_MAX = 1 << 14;

    private final MemorySegment forward;
    private final MemorySegment tags;
    private final MemorySegment blocks;
    private final long blockCount;
    private final long capacity;
    private long entries;

    BlockTable(MemorySegment forward, MemorySegment tags, MemorySegment blocks, long entries) {
        this.forward = forward;
        this.tags = tags;
        this.blocks = blocks;
        this.blockCount = forward.byteSize() / Long.BYTES;
        this.capacity = tags.byteSize();
        this.entries = entries;
    }

    long entries() {
        return entries;
    }

    /// Puts the blocks with this hash into the array, at most [#COPIES_MAX].
    ///
    /// @return how many
    int lookup(long hash, long[] into) {
        int found = 0;
        byte tag = tag(hash);
        long place = home(hash);
        for (int i = 0; i < PROBES_MAX && found < COPIES_MAX; i++) {
            byte there = tags.get(JAVA_BYTE, place);
            if (there == 0) {
                break;
            }
            if (there == tag && hashAt(place) == hash) {
                into[found++] = block(place);
            }
            place = next(place);
        }
        return found;
    }

    /// Adds a block, unless it is in, or there are enough with this hash, which is in the forward array already.
    void insert(long block, long hash) {
        byte tag = tag(hash);
        long place = home(hash);
        int copies = 0;
        for (int i = 0; i < PROBES_MAX; i++) {
            byte there = tags.get(JAVA_BYTE, place);
            if (there == 0) {
                tags.set(JAVA_BYTE, place, tag);
                blocks.set(JAVA_INT, place * Integer.BYTES, (int) block);
                entries++;
                return;
            }
            if (there == tag && hashAt(place) == hash && (block(place) == block || ++copies == COPIES_MAX)) {
                return;
            }
            place = next(place);
        }
    }

    /// Takes a block out, if it is in; its old hash is still in the forward array.
    void remove(long block, long hash) {
        byte tag = tag(hash);
        long place = home(hash);
        for (int i = 0; i < PROBES_MAX; i++) {
            byte there = tags.get(JAVA_BYTE, place);
            if (there == 0) {
                return;
            }
            if (there == tag && block(place) == block) {
                closeGap(place);
                entries--;
                return;
            }
            place = next(place);
        }
    }

    /// Moves what stands behind a place that became free, so that no search ends at it too early.
    private void closeGap(long free) {
        long gap = free;
        long place = next(free);
        for (int i = 0; i < PROBES_MAX && tags.get(JAVA_BYTE, place) != 0; i++) {
            if (!isBetween(gap, home(hashAt(place)), place)) {
                tags.set(JAVA_BYTE, gap, tags.get(JAVA_BYTE, place));
                blocks.set(JAVA_INT, gap * Integer.BYTES, (int) block(place));
                gap = place;
            }
            place = next(place);
        }
        tags.set(JAVA_BYTE, gap, (byte) 0);
    }

    /// Whether a search that starts at home and goes on to a place does not pass the gap.
    private static boolean isBetween(long gap, long home, long place) {
        return gap <= place ? gap < home && home <= place : gap < home || home <= place;
    }

    private long home(long hash) {
        return Math.unsignedMultiplyHigh(hash, capacity);
    }

    private long next(long place) {
        return place + 1 == capacity ? 0 : place + 1;
    }

    /// The low bits: the place comes from the high ones.
    private static byte tag(long hash) {
        byte low = (byte) hash;
        return low == 0 ? 1 : low;
    }

    private long block(long place) {
        return Integer.toUnsignedLong(blocks.get(JAVA_INT, place * Integer.BYTES));
    }

    private long hashAt(long place) {
        long block = block(place);
        return block < blockCount ? forward.getAtIndex(JAVA_LONG, block) : 0;
    }
}
