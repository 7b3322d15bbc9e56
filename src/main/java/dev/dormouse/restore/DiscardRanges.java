package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.Command;
import java.util.ArrayList;
import java.util.List;

/// What is to be discarded of one RAM block: joins frames that follow one another.
final class DiscardRanges {
    private final long blockStart;
    private final List<Command.Range> ranges = new ArrayList<>();
    private long start;
    private long end;

    /// @param blockStart the block's first frame
    DiscardRanges(long blockStart) {
        this.blockStart = blockStart;
    }

    /// Adds frames of the block behind those that were added before.
    void add(long firstFrame, long endFrame) {
        if (firstFrame != end) {
            finish();
            start = firstFrame;
        }
        end = endFrame;
    }

    /// {@return all of them, in bytes of the block}
    List<Command.Range> done() {
        finish();
        return ranges;
    }

    private void finish() {
        if (end > start) {
            ranges.add(new Command.Range(
                    (start - blockStart) * RamBlock.TARGET_PAGE_BYTES, (end - start) * RamBlock.TARGET_PAGE_BYTES));
        }
    }
}
