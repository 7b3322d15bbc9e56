package dev.dormouse.image;

/// A set of slots of extents, a bit each. One thread.
final class SlotSet {
    // One word for the slots of an extent, of which there are at most 64.
    private final long[] words;

    SlotSet(int extentCount) {
        words = new long[extentCount];
    }

    /// {@return whether the slot that the locator names was not in the set before}
    boolean add(long locator) {
        int extent = (int) PageLocator.location(locator);
        long bit = 1L << PageLocator.slot(locator);
        boolean added = (words[extent] & bit) == 0;
        words[extent] |= bit;
        return added;
    }
}
