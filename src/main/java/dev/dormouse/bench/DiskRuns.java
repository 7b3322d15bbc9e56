package dev.dormouse.bench;

import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;

/// How the on-disk pages of an image lie on its disks: in how many runs they are read, and how many of them in short
/// runs, each of which costs slow storage a read operation for little. Of disks whose blocks lie on the host as
/// the guest counts them.
final class DiskRuns {
    /// As in the background of a restore: blocks between two wanted ones that are read along, and the length of a run.
    private static final int GAP_BLOCKS_MAX = 8;

    private static final int RUN_BLOCKS_MAX = 64;
    /// A run of fewer pages is a short one: at 2,000 operations and 110 MB a second an operation costs as much as
    /// reading 14 blocks, or some 25 pages that are compressed.
    private static final int SHORT_PAGES = 4;

    private DiskRuns() {}

    /// {@return `runs`, `shortRuns` and `pagesInShortRuns`}
    static Map<String, Long> of(ImageReader image) throws IOException {
        long runs = 0;
        long shortRuns = 0;
        long pagesInShortRuns = 0;
        long[] blocks = blocks(image);
        for (int start = 0; start < blocks.length; ) {
            int end = start + 1;
            while (end < blocks.length
                    && blocks[end] - blocks[end - 1] <= GAP_BLOCKS_MAX + 1
                    && blocks[end] - blocks[start] < RUN_BLOCKS_MAX) {
                end++;
            }
            runs++;
            if (end - start < SHORT_PAGES) {
                shortRuns++;
                pagesInShortRuns += end - start;
            }
            start = end;
        }
        var result = new LinkedHashMap<String, Long>();
        result.put("runs", runs);
        result.put("shortRuns", shortRuns);
        result.put("pagesInShortRuns", pagesInShortRuns);
        return result;
    }

    /// {@return disk and block of each on-disk page, ascending}
    private static long[] blocks(ImageReader image) throws IOException {
        var blocks = new long[Math.toIntExact(image.frameCount())];
        int[] count = {0};
        image.forEachNonZero((_, pageClass, block, disk) -> {
            if (pageClass == PageClass.ON_DISK) {
                blocks[count[0]++] = (long) disk << 48 | block;
            }
        });
        long[] sorted = Arrays.copyOf(blocks, count[0]);
        Arrays.sort(sorted);
        return sorted;
    }
}
