package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.HashSet;
import java.util.Set;

/// A [PageSource] without an image: frame `n` is zero where the test says so, else its first bytes are
/// `n`. Groups are runs of frames. Frames can be made unreadable.
final class MemorySource implements PageSource {
    static final int GROUP_FRAMES = 32;
    private final int frameCount;
    private final Set<Long> zeroes = new HashSet<>();
    private final Set<Long> damaged = new HashSet<>();
    final BitSet hinted = new BitSet();
    long reads;

    MemorySource(int frameCount) {
        this.frameCount = frameCount;
    }

    MemorySource withZeroes(long first, long end) {
        for (long frame = first; frame < end; frame++) {
            zeroes.add(frame);
        }
        return this;
    }

    void damage(long frame) {
        damaged.add(frame);
    }

    void mend() {
        damaged.clear();
    }

    @Override
    public long frameCount() {
        return frameCount;
    }

    @Override
    public long nonZeroCount() {
        return (long) frameCount - zeroes.size();
    }

    @Override
    public boolean isZero(long frame) {
        return zeroes.contains(frame);
    }

    @Override
    public int group(long frame) {
        return (int) frame / GROUP_FRAMES;
    }

    @Override
    public int groupCount() {
        return (frameCount + GROUP_FRAMES - 1) / GROUP_FRAMES;
    }

    @Override
    public FrameList frames(int group) {
        long first = (long) group * GROUP_FRAMES;
        long[] frames = java.util.stream.LongStream.range(first, Math.min(first + GROUP_FRAMES, frameCount))
                .filter(frame -> !isZero(frame))
                .toArray();
        return FrameList.of(frames.length, index -> frames[index]);
    }

    @Override
    public FrameList neighbours(long frame, int countMax) {
        FrameList group = frames(group(frame));
        int at = 0;
        while (at < group.size() && group.get(at) < frame) {
            at++;
        }
        int first = Math.max(0, at - countMax / 2);
        return group.slice(first, Math.min(group.size(), first + countMax));
    }

    @Override
    public ByteBuffer read(long frame, int countMax, Reading reading) throws IOException {
        reads++;
        int count = 0;
        while (count < countMax && frame + count < frameCount && group(frame + count) == group(frame)) {
            if (isZero(frame + count) || damaged.contains(frame + count)) {
                break;
            }
            count++;
        }
        if (count == 0) {
            throw new IOException("frame " + frame + " is damaged");
        }
        ByteBuffer pages = ByteBuffer.allocate(count * RamBlock.TARGET_PAGE_BYTES);
        for (int i = 0; i < count; i++) {
            pages.putLong(i * RamBlock.TARGET_PAGE_BYTES, frame + i);
        }
        return pages;
    }

    @Override
    public long willNeed(int first, int count) {
        if (hinted.get(first, first + count).cardinality() > 0) {
            throw new IllegalStateException("group " + first + " or one of " + count + " is told twice");
        }
        hinted.set(first, first + count);
        return 0;
    }

    @Override
    public GroupBuffer newGroupBuffer() {
        return new GroupBuffer() {
            @Override
            public void read(int group) throws IOException {
                FrameList frames = frames(group);
                if (frames.size() > 0) {
                    MemorySource.this.read(frames.get(0), 1, Reading.BACKGROUND);
                }
            }

            @Override
            public ByteBuffer pages(long frame, int countMax) throws IOException {
                reads--; // Counted when the group was read.
                return MemorySource.this.read(frame, countMax, Reading.BACKGROUND);
            }

            @Override
            public void close() {}
        };
    }
}
