package dev.dormouse.base;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Numbers the page frames of a VM's RAM blocks: the frames of all blocks one behind the other, in the
/// order in which QEMU names the blocks. Immutable.
public final class RamLayout {
    private final List<RamBlock> blocks;
    private final long[] firstFrames; // One more than blocks: the last is the number of all frames.
    private final Map<String, Integer> indexes = new HashMap<>();

    public RamLayout(List<RamBlock> blocks) {
        this.blocks = List.copyOf(blocks);
        firstFrames = new long[blocks.size() + 1];
        for (int i = 0; i < blocks.size(); i++) {
            firstFrames[i + 1] = Math.addExact(firstFrames[i], blocks.get(i).frameCount());
            if (indexes.put(blocks.get(i).name(), i) != null) {
                throw new IllegalArgumentException("RAM block " + blocks.get(i).name() + " appears twice");
            }
        }
    }

    public List<RamBlock> blocks() {
        return blocks;
    }

    /// {@return the number of frames in all blocks}
    public long frameCount() {
        return firstFrames[blocks.size()];
    }

    /// {@return the index of the block that holds the frame}
    public int blockIndex(long frame) {
        if (frame < 0 || frame >= frameCount()) {
            throw new IllegalArgumentException("frame " + frame + " is outside of 0 to " + (frameCount() - 1));
        }
        int index = 0; // A VM has some ten blocks, and the first one is nearly always the right one.
        while (frame >= firstFrames[index + 1]) {
            index++;
        }
        return index;
    }

    /// {@return the index of a block}
    public int blockIndex(RamBlock block) {
        Integer index = indexes.get(block.name());
        if (index == null) {
            throw new IllegalArgumentException("no RAM block " + block.name());
        }
        return index;
    }

    /// {@return the frame number of the first page of the block}
    public long firstFrame(int blockIndex) {
        return firstFrames[blockIndex];
    }

    /// {@return the frame number behind the last page of the block}
    public long endFrame(int blockIndex) {
        return firstFrames[blockIndex + 1];
    }

    /// {@return the byte offset of the frame inside of its block}
    public long offset(long frame) {
        return (frame - firstFrames[blockIndex(frame)]) * RamBlock.TARGET_PAGE_BYTES;
    }

    /// {@return the frame at a byte offset of the block}
    public long frame(RamBlock block, long offset) {
        int index = blockIndex(block);
        if (offset < 0 || offset >= block.lengthBytes()) {
            throw new IllegalArgumentException("no frame at offset " + offset + " of RAM block " + block.name());
        }
        return firstFrames[index] + offset / RamBlock.TARGET_PAGE_BYTES;
    }
}
