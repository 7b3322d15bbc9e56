package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;

/// A [PagePlacer] that keeps the order, and breaks as QEMU would: on a second copy and on wrong content.
final class RecordingPlacer implements PagePlacer {
    final List<Long> order = new ArrayList<>();
    private final FrameSet placed;
    private int unflushed;
    private LongConsumer onPlaced = _ -> {};

    RecordingPlacer(int frameCount) {
        placed = new FrameSet(frameCount);
    }

    /// @param action told of each frame that was placed, in the server's thread
    RecordingPlacer then(LongConsumer action) {
        onPlaced = action;
        return this;
    }

    boolean isAllFlushed() {
        return unflushed == 0;
    }

    boolean contains(long frame) {
        return placed.contains(frame);
    }

    @Override
    public void place(long frame, ByteBuffer pages) {
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        for (int i = 0; i < count; i++) {
            long found = pages.getLong(pages.position() + i * RamBlock.TARGET_PAGE_BYTES);
            if (found != frame + i) {
                throw new AssertionError("frame " + (frame + i) + " gets the page of " + found);
            }
            add(frame + i);
        }
    }

    @Override
    public void placeZero(long frame) {
        add(frame);
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
