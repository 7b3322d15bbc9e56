package dev.dormouse.checkpoint;

import java.util.ArrayList;
import java.util.List;

/// Collects frames into ranges. Frames come in any order; neighbours join if they come one behind the
/// other. One thread.
final class FrameRanges {
    private final List<FrameRange> ranges = new ArrayList<>();
    private long first;
    private long count;

    void add(long frame) {
        if (count > 0 && frame == first + count) {
            count++;
            return;
        }
        close();
        first = frame;
        count = 1;
    }

    private void close() {
        if (count > 0) {
            ranges.add(new FrameRange(first, count));
            count = 0;
        }
    }

    /// {@return the ranges so far}
    List<FrameRange> toList() {
        close();
        return List.copyOf(ranges);
    }
}
