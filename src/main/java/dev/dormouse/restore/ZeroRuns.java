package dev.dormouse.restore;

import java.io.IOException;

/// Gives a guest zero pages: the one that it demands, and the aligned run of zeros around it. Owned by the server's
/// thread.
final class ZeroRuns {
    private static final int PAGES_MIN = 16; // Aligned 64 KiB: what a guest that allocates touches next.

    private final PageSource source;
    private final PlacementAccount account;
    private final PagePlacer placer;
    private final WorkingSetTrial workingSet;
    private final FailedPages failed;
    private int pages = PAGES_MIN;
    private long end;

    /// @param failed told if the host has no memory
    ZeroRuns(
            PageSource source,
            PlacementAccount account,
            PagePlacer placer,
            WorkingSetTrial workingSet,
            FailedPages failed) {
        this.source = source;
        this.account = account;
        this.placer = placer;
        this.workingSet = workingSet;
        this.failed = failed;
    }

    /// {@return whether there was memory for all of them}
    boolean tryPlace(long frame, int count) throws IOException {
        try {
            account.placeZeroes(frame, count);
            return true;
        } catch (NotPlacedException e) {
            failed.stall(e);
            return false;
        }
    }

    /// Places the zeros around a demanded one. A guest that goes on where the last run ended is about to use much
    /// memory, and gets twice as much each time.
    void placeAround(long frame) throws IOException {
        boolean goesOn = frame >= end && frame < end + pages;
        pages = Math.min(goesOn ? 2 * pages : PAGES_MIN, placer.zeroRunPagesMax(frame));
        long at = frame - frame % pages;
        end = Math.min(at + pages, source.frameCount());
        while (at < end) {
            int count = 0;
            while (at + count < end && isAbsent(at + count)) {
                count++;
            }
            if (count > 0 && !tryPlace(at, count)) {
                break;
            }
            at += count + 1;
        }
        placer.flush();
    }

    /// Zeros in a huge page that QEMU filled before the guest ran are there without having been placed.
    private boolean isAbsent(long frame) throws IOException {
        return source.isZero(frame) && !account.isClaimed(frame) && !workingSet.isEarly(frame);
    }
}
