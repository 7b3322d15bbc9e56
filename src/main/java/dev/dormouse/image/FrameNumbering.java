package dev.dormouse.image;

import dev.dormouse.base.RamBlock;
import java.util.List;

/// Numbers the pages of all RAM blocks in their order: the first frame of a block is the number of
/// pages before it. Immutable.
final class FrameNumbering {
    private final List<RamBlock> blocks;
    private final long[] firstFrames;

    /// @throws IllegalArgumentException if there are more pages than an image can hold
    FrameNumbering(List<RamBlock> blocks) {
        this.blocks = List.copyOf(blocks);
        this.firstFrames = new long[blocks.size() + 1];
        for (int i = 0; i < blocks.size(); i++) {
            firstFrames[i + 1] = Math.addExact(firstFrames[i], blocks.get(i).frameCount());
        }
        if (frameCount() > ImageFormat.FRAMES_MAX) {
            throw new IllegalArgumentException("guest memory has " + frameCount() + " pages, at most "
                    + ImageFormat.FRAMES_MAX + " are supported");
        }
    }

    List<RamBlock> blocks() {
        return blocks;
    }

    long frameCount() {
        return firstFrames[firstFrames.length - 1];
    }

    long firstFrame(int blockIndex) {
        checkBlock(blockIndex);
        return firstFrames[blockIndex];
    }

    long frame(int blockIndex, long frameInBlock) {
        checkBlock(blockIndex);
        long frame = firstFrames[blockIndex] + frameInBlock;
        if (frameInBlock < 0 || frame >= firstFrames[blockIndex + 1]) {
            throw new IllegalArgumentException("frame " + frameInBlock + " of RAM block "
                    + blocks.get(blockIndex).name() + ", which has "
                    + blocks.get(blockIndex).frameCount());
        }
        return frame;
    }

    private void checkBlock(int blockIndex) {
        if (blockIndex < 0 || blockIndex >= blocks.size()) {
            throw new IllegalArgumentException("RAM block " + blockIndex + " of " + blocks.size());
        }
    }
}
