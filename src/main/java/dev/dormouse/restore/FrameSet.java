package dev.dormouse.restore;

/// A set of page frames as one bit each. Owned by one thread.
final class FrameSet {
    private final long[] words;
    private long size;

    FrameSet(long frameCount) {
        words = new long[Math.toIntExact((frameCount + 63) / 64)];
    }

    private FrameSet(long[] words, long size) {
        this.words = words;
        this.size = size;
    }

    FrameSet copy() {
        return new FrameSet(words.clone(), size);
    }

    boolean contains(long frame) {
        return (words[(int) (frame >>> 6)] & 1L << frame) != 0;
    }

    /// {@return whether the frame was not in the set before}
    boolean add(long frame) {
        int word = (int) (frame >>> 6);
        long bit = 1L << frame;
        if ((words[word] & bit) != 0) {
            return false;
        }
        words[word] |= bit;
        size++;
        return true;
    }

    /// {@return whether the frame was in the set before}
    boolean remove(long frame) {
        int word = (int) (frame >>> 6);
        long bit = 1L << frame;
        if ((words[word] & bit) == 0) {
            return false;
        }
        words[word] &= ~bit;
        size--;
        return true;
    }

    long size() {
        return size;
    }
}
