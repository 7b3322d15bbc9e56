package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;

/// Which pages a page-fault server has begun to place, and which it has placed: a page is *claimed* before
/// it is handed to the placer, so that none is handed over twice, and *placed* when the placer has taken it.
/// Owned by the server's thread.
final class PlacementAccount {
    private final PageSource source;
    private final PagePlacer placer;
    private final FrameSet claimed;
    private final FrameSet placed;
    private final FrameSet suspects; // Placed once, and perhaps not there.
    private final PageMap map;
    private long nonZeroPlaced;
    private long placedAgain;

    /// @param present frames that are there already; taken over
    PlacementAccount(PageSource source, PagePlacer placer, FrameSet present) throws IOException {
        this.source = source;
        this.placer = placer;
        claimed = present;
        placed = present.copy();
        suspects = new FrameSet(source.frameCount());
        map = new PageMap(source);
        for (long frame = 0; present.size() > 0 && frame < source.frameCount(); frame++) {
            if (present.contains(frame) && !source.isZero(frame)) {
                nonZeroPlaced++;
                map.placed(PageMap.Fate.PREFETCHED, frame, 1);
            }
        }
    }

    /// {@return where others can see what becomes of the pages}
    PageMap map() {
        return map;
    }

    boolean isClaimed(long frame) {
        return claimed.contains(frame);
    }

    long nonZeroPlaced() {
        return nonZeroPlaced;
    }

    boolean isComplete() {
        return nonZeroPlaced == source.nonZeroCount();
    }

    /// {@return the pages that were found missing and placed again}
    long placedAgain() {
        return placedAgain;
    }

    /// Places pages that are not zero and not claimed.
    ///
    /// @param fate why they are placed
    /// @throws NotPlacedException if some of them could not be placed, which are not claimed any more
    void place(PageMap.Fate fate, long frame, ByteBuffer pages) throws IOException {
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        for (int i = 0; i < count; i++) {
            boolean added = claimed.add(frame + i);
            assert added : "page of frame " + (frame + i) + " is placed twice";
        }
        int done = 0;
        try {
            hand(frame, pages, count);
            done = count;
        } catch (NotPlacedException e) {
            done = e.placedPages();
            throw e;
        } finally {
            for (int i = 0; i < count; i++) {
                if (i < done) {
                    placed.add(frame + i);
                } else {
                    claimed.remove(frame + i);
                }
            }
            nonZeroPlaced += done;
            map.placed(fate, frame, done);
        }
    }

    private void hand(long frame, ByteBuffer pages, int count) throws IOException {
        if (suspects.size() == 0) {
            placer.place(frame, pages);
            return;
        }
        for (int i = 0; i < count; i++) {
            ByteBuffer page =
                    pages.slice(pages.position() + i * RamBlock.TARGET_PAGE_BYTES, RamBlock.TARGET_PAGE_BYTES);
            try {
                hand(frame + i, page);
            } catch (NotPlacedException e) {
                throw e.after(i);
            }
        }
    }

    private void hand(long frame, ByteBuffer page) throws IOException {
        if (!suspects.contains(frame)) {
            placer.place(frame, page);
            return;
        }
        if (placer.placeAgain(frame, page)) {
            placedAgain++;
        }
        suspects.remove(frame);
    }

    /// Places pages of zeros that are not claimed.
    ///
    /// @throws NotPlacedException if some of them could not be placed, which are not claimed any more
    void placeZeroes(long frame, int count) throws IOException {
        for (int i = 0; i < count; i++) {
            boolean added = claimed.add(frame + i);
            assert added : "zero page of frame " + (frame + i) + " is placed twice";
        }
        int done = 0;
        try {
            placer.placeZeroes(frame, count);
            done = count;
        } catch (NotPlacedException e) {
            done = e.placedPages();
            throw e;
        } finally {
            for (int i = 0; i < count; i++) {
                if (i < done) {
                    placed.add(frame + i);
                } else {
                    claimed.remove(frame + i);
                }
            }
        }
    }

    /// Looks for pages that were placed and do not seem to be there; they count as not placed from now on.
    /// Zero pages are let be: whoever misses one gets it at the end of the migration.
    void audit(long firstFrame, int frameCount, PagePlacer.FrameVisitor missing) throws IOException {
        placer.audit(firstFrame, frameCount, placed, frame -> {
            if (!source.isZero(frame)) {
                claimed.remove(frame);
                placed.remove(frame);
                nonZeroPlaced--;
                suspects.add(frame);
                missing.frame(frame);
            }
        });
    }
}
