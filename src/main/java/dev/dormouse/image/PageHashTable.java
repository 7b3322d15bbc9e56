package dev.dormouse.image;

/// From the 128-bit hash of a page to its locator: open addressing over primitive arrays, growing up
/// to a bound, after which it takes no more. One thread.
final class PageHashTable {
    private static final int INITIAL_CAPACITY = 1 << 12;

    private final int entriesMax;
    private long[] lows = new long[INITIAL_CAPACITY];
    private long[] highs = new long[INITIAL_CAPACITY];
    // 0 is no locator, so it marks a free place.
    private long[] locators = new long[INITIAL_CAPACITY];
    private int size;

    PageHashTable(int entriesMax) {
        this.entriesMax = entriesMax;
    }

    /// {@return the locator of the page with this hash; if there is none, 0, and `locator` is remembered}
    long findOrAdd(long low, long high, long locator) {
        int place = place(low, high);
        if (locators[place] != 0) {
            return locators[place];
        }
        if (size < entriesMax) {
            set(place, low, high, locator);
            size++;
            if (size > lows.length / 4 * 3) {
                grow();
            }
        }
        return 0;
    }

    private int place(long low, long high) {
        int mask = lows.length - 1;
        int place = (int) low & mask;
        while (locators[place] != 0 && (lows[place] != low || highs[place] != high)) {
            place = (place + 1) & mask;
        }
        return place;
    }

    private void set(int place, long low, long high, long locator) {
        lows[place] = low;
        highs[place] = high;
        locators[place] = locator;
    }

    private void grow() {
        long[] oldLows = lows;
        long[] oldHighs = highs;
        long[] oldLocators = locators;
        int capacity = lows.length * 2;
        lows = new long[capacity];
        highs = new long[capacity];
        locators = new long[capacity];
        for (int i = 0; i < oldLows.length; i++) {
            if (oldLocators[i] != 0) {
                set(place(oldLows[i], oldHighs[i]), oldLows[i], oldHighs[i], oldLocators[i]);
            }
        }
    }
}
