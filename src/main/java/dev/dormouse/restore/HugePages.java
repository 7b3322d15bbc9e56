package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/// Gives a guest whose pages were placed one by one the huge pages back that it had when it booted: without
/// them its work rate stays at two thirds to nine tenths of what it was
/// (`docs/adr/0011-huge-pages-after-a-restore.md`). By `process_madvise` with `MADV_COLLAPSE`, while it runs.
///
/// Of private memory only, and only where most of a huge page holds data: the kernel fills the rest with
/// zeros, which takes memory of the host. A host that does not let us do it is left alone.
final class HugePages {
    private static final long HUGE_BYTES = 2 << 20;
    private static final int FRAMES = (int) (HUGE_BYTES / RamBlock.TARGET_PAGE_BYTES);
    private static final int NON_ZERO_FRAMES_MIN = FRAMES / 2;
    /// Of the time, beside a guest that works: one that faults meanwhile waits for the copy of 2 MiB, and where
    /// page tables are shadowed that takes 5 ms; all threads of the guest lose the addresses that they have
    /// translated.
    private static final double SHARE = 0.05;
    private static final double SHARE_WHILE_RESTING = 0.5;
    private static final long REST_NANOS_MAX = 500_000_000;
    private final List<Region> regions = new ArrayList<>();

    /// A RAM block in QEMU's address space.
    private record Region(long address, long firstFrame, long frameCount) {}

    private record Candidate(long address, int wanted) {}

    void add(long address, long firstFrame, long frameCount) {
        regions.add(new Region(address, firstFrame, frameCount));
    }

    /// Makes those first in which most of the pages lie that the guest is known to want; for ten seconds or so for each
    /// GiB of data beside a guest
    /// that works, most of which is rest; where page tables are shadowed for fifty.
    ///
    /// @param wanted frames of these pages, ascending
    /// @param listener asked whether somebody waits for the end
    /// @return the huge pages that were made
    int collapse(long pid, PageSource source, long[] wanted, RestoreListener listener) throws IOException {
        int pidfd = Libc.pidfdOpen(pid);
        if (pidfd < 0) {
            return 0;
        }
        int made = 0;
        var load = new GuestLoad(pid);
        load.countMoments(false);
        try {
            for (long address : addresses(source, wanted, listener)) {
                if (listener.hurry()) {
                    break;
                }
                made += collapse(pidfd, address, load) ? 1 : 0;
            }
        } finally {
            Libc.close(pidfd);
        }
        return made;
    }

    /// {@return where huge pages are worth to be made: those with most wanted frames first, then by address}
    long[] addresses(PageSource source, long[] wanted, RestoreListener listener) throws IOException {
        var found = new ArrayList<Candidate>();
        for (Region region : regions) {
            long at = Math.ceilDiv(region.address(), HUGE_BYTES) * HUGE_BYTES;
            long end = region.address() + region.frameCount() * RamBlock.TARGET_PAGE_BYTES;
            for (; at + HUGE_BYTES <= end && !listener.hurry(); at += HUGE_BYTES) {
                long frame = region.firstFrame() + (at - region.address()) / RamBlock.TARGET_PAGE_BYTES;
                if (isMostlyData(source, frame)) {
                    found.add(new Candidate(at, countBefore(wanted, frame + FRAMES) - countBefore(wanted, frame)));
                }
            }
        }
        found.sort(Comparator.comparingInt(Candidate::wanted).reversed()); // Stable, so by address among equals.
        return found.stream().mapToLong(Candidate::address).toArray();
    }

    private static int countBefore(long[] ascending, long frame) {
        int at = Arrays.binarySearch(ascending, frame);
        return at < 0 ? -at - 1 : at;
    }

    private static boolean collapse(int pidfd, long address, GuestLoad load) {
        long start = System.nanoTime();
        boolean made = Libc.collapse(pidfd, address, HUGE_BYTES) >= 0;
        long end = System.nanoTime();
        double share = load.isResting(end) ? SHARE_WHILE_RESTING : SHARE;
        LockSupport.parkNanos(Math.min(REST_NANOS_MAX, (long) ((end - start) * (1 - share) / share)));
        return made;
    }

    private static boolean isMostlyData(PageSource source, long firstFrame) throws IOException {
        int data = 0;
        for (long frame = firstFrame; frame < firstFrame + FRAMES; frame++) {
            data += source.isZero(frame) ? 0 : 1;
        }
        return data >= NON_ZERO_FRAMES_MIN;
    }
}
