package dev.dormouse.image;

import java.util.Arrays;

/// From an extent back to the frames whose pages are in it. Built in one pass over the page table;
/// 4 bytes for a slot and 8 for a duplicate. Immutable once built.
final class ExtentFrames {
    private final int extentPages;
    // The frame that is stored in the slot, or -1 if it belongs to none.
    private final int[] stored;
    // Extent (upper half) and frame (lower half) of each duplicate, sorted.
    private long[] duplicates = new long[16];
    private int duplicateCount;

    ExtentFrames(int extentCount, int extentPages) {
        this.extentPages = extentPages;
        stored = new int[Math.multiplyExact(extentCount, extentPages)];
        Arrays.fill(stored, -1);
    }

    /// Takes a frame while it is built.
    ///
    /// @return false if the slot belongs to a frame already
    boolean add(long frame, long locator) {
        int extent = (int) PageLocator.location(locator);
        if (PageLocator.classCode(locator) == PageClass.DUPLICATE.code()) {
            addDuplicate(((long) extent << 32) | frame);
            return true;
        }
        int slot = extent * extentPages + PageLocator.slot(locator);
        boolean free = stored[slot] == -1;
        stored[slot] = (int) frame;
        return free;
    }

    private void addDuplicate(long duplicate) {
        if (duplicateCount == duplicates.length) {
            duplicates = Arrays.copyOf(duplicates, duplicateCount * 2);
        }
        duplicates[duplicateCount++] = duplicate;
    }

    ExtentFrames finish() {
        duplicates = Arrays.copyOf(duplicates, duplicateCount);
        Arrays.sort(duplicates);
        return this;
    }

    /// {@return the frame whose own slot this is, or -1}
    long stored(int extent, int slot) {
        return stored[extent * extentPages + slot];
    }

    /// {@return the frames that are stored in the extent, by slot}
    long[] storedFrames(int extent) {
        return Arrays.stream(stored, extent * extentPages, (extent + 1) * extentPages)
                .filter(frame -> frame >= 0)
                .asLongStream()
                .toArray();
    }

    /// {@return the frames whose page another frame has stored in the extent, ascending}
    long[] duplicateFrames(int extent) {
        int from = insertionPoint((long) extent << 32);
        int to = insertionPoint((long) (extent + 1) << 32);
        return Arrays.stream(duplicates, from, to)
                .map(entry -> entry & 0xffff_ffffL)
                .toArray();
    }

    private int insertionPoint(long key) {
        int found = Arrays.binarySearch(duplicates, key);
        return found >= 0 ? found : -found - 1;
    }
}
