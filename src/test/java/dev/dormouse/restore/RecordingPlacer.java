package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.LongConsumer;

/// A [PagePlacer] that keeps the order, and breaks as QEMU would: on a second copy and on wrong content.
final class RecordingPlacer implements PagePlacer {
    final List<Long> order = new ArrayList<>();
    private final FrameSet placed;
    private int unflushed;
    private LongConsumer onPlaced = _ -> {};
    /// Frames that the audit does not find, and whether they are really gone.
    final Map<Long, Boolean> lost = new HashMap<>();
    final List<Long> placedAgain = new ArrayList<>();
    /// How often there is no memory for the frame.
    final Map<Long, Integer> noMemory = new HashMap<>();
    private Runnable onAudit = () -> {};
    int zeroRunPagesMax = 16;

    RecordingPlacer(int frameCount) {
        placed = new FrameSet(frameCount);
    }

    /// @param action told of each frame that was placed, in the server's thread
    RecordingPlacer then(LongConsumer action) {
        onPlaced = action;
        return this;
    }

    RecordingPlacer thenAtTheAudit(Runnable action) {
        onAudit = action;
        return this;
    }

    @Override
    public void audit(long firstFrame, int frameCount, FrameSet set, FrameVisitor missing) throws IOException {
        for (long frame : new TreeSet<>(lost.keySet())) {
            if (frame >= firstFrame && frame < firstFrame + frameCount && set.contains(frame)) {
                missing.frame(frame);
            }
        }
        onAudit.run();
    }

    @Override
    public boolean placeAgain(long frame, ByteBuffer page) {
        if (page.getLong(page.position()) != frame) {
            throw new AssertionError("frame " + frame + " gets another page");
        }
        placedAgain.add(frame);
        return lost.remove(frame);
    }

    boolean isAllFlushed() {
        return unflushed == 0;
    }

    boolean contains(long frame) {
        return placed.contains(frame);
    }

    @Override
    public void place(long frame, ByteBuffer pages) throws NotPlacedException {
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        for (int i = 0; i < count; i++) {
            long found = pages.getLong(pages.position() + i * RamBlock.TARGET_PAGE_BYTES);
            if (found != frame + i) {
                throw new AssertionError("frame " + (frame + i) + " gets the page of " + found);
            }
            if (noMemory.merge(frame + i, -1, Integer::sum) >= 0) {
                throw new NotPlacedException("no memory for frame " + (frame + i), i);
            }
            add(frame + i);
        }
    }

    @Override
    public void placeZeroes(long frame, int count) {
        for (long page = frame; page < frame + count; page++) {
            add(page);
        }
    }

    @Override
    public int zeroRunPagesMax(long frame) {
        return zeroRunPagesMax;
    }

    @Override
    public void flush() {
        unflushed = 0;
    }

    private void add(long frame) {
        if (!placed.add(frame)) {
            throw new AssertionError("frame " + frame + " is placed a second time");
        }
        unflushed++;
        order.add(frame);
        onPlaced.accept(frame);
    }
}
