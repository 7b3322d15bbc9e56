package dev.dormouse.checkpoint;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;

import dev.dormouse.image.FrameRanges;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;

/// What is known or believed of which pages of the first RAM block are hot. A hint: it decides where in the
/// image a page lies, and nothing else. Any thread.
///
/// @param expected frames that the guest demanded first after earlier restores
/// @param earlier what the pages held shortly before the pause; null if nobody looked
/// @param kernel told of every page table that is met
record Heat(FrameRanges expected, @Nullable PageSums earlier, KernelText kernel) {
    /// An entry of a page table, and how many a page has.
    static final ValueLayout.OfLong WORD = JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    static final int WORDS = 512;
    private static final int ENTRIES_MIN = 8;
    private static final long PRESENT_AND_ACCESSED = 0x21;
    /// Bits 12 to 45 may name a frame: 64 TiB; those above must be clear but for protection keys and
    /// no-execute.
    private static final long NEVER_SET = 0x07ff_c000_0000_0000L;

    Heat(FrameRanges expected, @Nullable PageSums earlier) {
        this(expected, earlier, new KernelText());
    }

    boolean isHot(long frame, long checksum, MemorySegment page) {
        if (isLikelyPageTable(page)) {
            kernel.read(page);
            return true;
        }
        return expected.contains(frame) || (earlier != null && earlier.hasChanged(frame, checksum));
    }

    /// Whether each word is zero or what x86 has in a page table: present, accessed, a frame below 64 TiB.
    /// The first word that is none tells, so that nearly all pages cost a look at a few words.
    static boolean isLikelyPageTable(MemorySegment page) {
        int entries = 0;
        for (int i = 0; i < WORDS; i++) {
            long word = page.getAtIndex(WORD, i);
            if (word != 0) {
                if ((word & 1) == 0 || (word & NEVER_SET) != 0) {
                    return false;
                }
                entries += (word & PRESENT_AND_ACCESSED) == PRESENT_AND_ACCESSED ? 1 : 0;
            }
        }
        return entries >= ENTRIES_MIN;
    }
}
