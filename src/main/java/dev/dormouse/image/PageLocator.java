package dev.dormouse.image;

/// The first of the two words of a page table entry: class (bits 0 to 7), slot (8 to 15), location
/// (16 to 63). For a page on a disk, slot is the number of the disk and location that of the block.
/// A plain `long`, because millions of them are walked.
final class PageLocator {
    static final long LOCATION_MAX = (1L << 48) - 1;
    static final int SLOT_MAX = 255;

    /// The only valid locator of a zero page.
    static final long ZERO = PageClass.ZERO.code();

    private PageLocator() {}

    static long of(PageClass pageClass, int slot, long location) {
        assert slot >= 0 && slot <= SLOT_MAX && location >= 0 && location <= LOCATION_MAX
                : "slot " + slot + " or location " + location + " does not fit";
        return (location << 16) | ((long) slot << 8) | pageClass.code();
    }

    static int classCode(long locator) {
        return (int) (locator & 0xff);
    }

    static int slot(long locator) {
        return (int) ((locator >>> 8) & 0xff);
    }

    static long location(long locator) {
        return locator >>> 16;
    }

    static long withClass(long locator, PageClass pageClass) {
        return (locator & ~0xffL) | pageClass.code();
    }
}
