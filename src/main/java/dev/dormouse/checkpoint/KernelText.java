package dev.dormouse.checkpoint;

import dev.dormouse.base.RamBlock;
import java.lang.foreign.MemorySegment;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongConsumer;

/// Where in the guest's memory its kernel's code lies, as its page tables tell: Linux maps it by pages of 2 MiB that
/// only the kernel may use and execute, and nothing else so (Intel SDM volume 3, table "Format of a Page-Directory
/// Entry that Maps a 2-MByte Page"). The memory of a q35 machine is assumed. A guess: it may decide what is
/// placed first, and nothing else. Any thread.
final class KernelText {
    private static final int REGION_SHIFT = 21;
    private static final long REGION_FRAMES = (1L << REGION_SHIFT) / RamBlock.TARGET_PAGE_BYTES;
    /// Present, not the user's, accessed, a large page; bits 13 to 20 are reserved; executable.
    private static final long LOOKED_AT = 0x8000_0000_001f_e0a5L;

    private static final long LARGE_KERNEL_CODE = 0xa1;
    private static final long ADDRESS = 0x0000_ffff_ffe0_0000L;
    /// More is not believable: a processor that cannot forbid execution shows all memory so.
    private static final int REGIONS_MAX = 32;

    /// Below 4 GiB a q35 has so much memory if it has that much or more at all (`pc_q35_init`).
    private static final long SPLIT_FROM_BYTES = 0xb000_0000L;

    private static final long LOW_BYTES = 0x8000_0000L;
    private static final long HIGH_START = 1L << 32;

    private final Set<Long> regions = ConcurrentHashMap.newKeySet();

    /// Takes down what a page says that is likely a page table: 4096 bytes.
    void read(MemorySegment table) {
        for (int i = 0; i < Heat.WORDS; i++) {
            long word = table.getAtIndex(Heat.WORD, i);
            if ((word & LOOKED_AT) == LARGE_KERNEL_CODE) {
                regions.add((word & ADDRESS) >>> REGION_SHIFT);
            }
        }
    }

    /// Visits the frames of the code in a RAM block that holds the machine's memory from address 0 on.
    void forEachFrame(RamBlock memory, LongConsumer visitor) {
        if (regions.size() > REGIONS_MAX) {
            return;
        }
        for (long region : regions) {
            long offset = offset(region << REGION_SHIFT, memory.lengthBytes());
            long first = offset / RamBlock.TARGET_PAGE_BYTES;
            for (long i = 0; offset >= 0 && i < REGION_FRAMES && first + i < memory.frameCount(); i++) {
                visitor.accept(first + i);
            }
        }
    }

    /// {@return where an address of the machine stands in its memory, -1 if it has none there}
    private static long offset(long address, long memoryBytes) {
        long low = memoryBytes >= SPLIT_FROM_BYTES ? LOW_BYTES : memoryBytes;
        if (address < low) {
            return address;
        }
        return address >= HIGH_START ? address - HIGH_START + low : -1;
    }
}
