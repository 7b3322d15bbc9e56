package dev.dormouse.image;

import java.util.Arrays;
import java.util.function.LongConsumer;

/// A set of frames, kept as ascending ranges that neither overlap nor touch. Immutable; 8 bytes for a
/// range.
public final class FrameRanges {
    public static final FrameRanges EMPTY = new FrameRanges(new int[0], new int[0]);

    // Inclusive, because the number of frames may be 2^31.
    private final int[] firsts;
    private final int[] lasts;

    private FrameRanges(int[] firsts, int[] lasts) {
        this.firsts = firsts;
        this.lasts = lasts;
    }

    public static Builder builder() {
        return new Builder();
    }

    /// {@return the set of these frames, which ascend}
    public static FrameRanges of(long... frames) {
        var builder = builder();
        for (long frame : frames) {
            builder.add(frame);
        }
        return builder.build();
    }

    public int rangeCount() {
        return firsts.length;
    }

    /// {@return the first frame of the range}
    public long first(int range) {
        return firsts[range];
    }

    /// {@return the last frame of the range}
    public long last(int range) {
        return lasts[range];
    }

    public boolean isEmpty() {
        return firsts.length == 0;
    }

    public long frameCount() {
        long count = 0;
        for (int i = 0; i < firsts.length; i++) {
            count += (long) lasts[i] - firsts[i] + 1;
        }
        return count;
    }

    public boolean contains(long frame) {
        if (frame < 0 || frame >= ImageFormat.FRAMES_MAX) {
            return false;
        }
        int found = Arrays.binarySearch(firsts, (int) frame);
        return found >= 0 || (found < -1 && frame <= lasts[-found - 2]);
    }

    /// Visits every frame in ascending order.
    public void forEach(LongConsumer visitor) {
        for (int i = 0; i < firsts.length; i++) {
            for (long frame = firsts[i]; frame <= lasts[i]; frame++) {
                visitor.accept(frame);
            }
        }
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof FrameRanges ranges
                && Arrays.equals(firsts, ranges.firsts)
                && Arrays.equals(lasts, ranges.lasts);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(firsts) + Arrays.hashCode(lasts);
    }

    @Override
    public String toString() {
        return "%d frames in %d ranges".formatted(frameCount(), rangeCount());
    }

    /// Collects ranges that come in ascending order. One thread.
    public static final class Builder {
        private int[] firsts = new int[16];
        private int[] lasts = new int[16];
        private int count;

        private Builder() {}

        /// Adds a frame above all that were added before.
        public Builder add(long frame) {
            return addRange(frame, frame);
        }

        /// Adds the frames from first to last, above all that were added before. What touches is joined.
        ///
        /// @throws IllegalArgumentException if the order is wrong, or no image has such a frame
        public Builder addRange(long first, long last) {
            if (first < 0 || last < first || last >= ImageFormat.FRAMES_MAX) {
                throw new IllegalArgumentException("frames " + first + " to " + last + ", ascending ones below "
                        + ImageFormat.FRAMES_MAX + " are allowed");
            }
            if (count > 0 && first <= lasts[count - 1]) {
                throw new IllegalArgumentException("frame " + first + " after frame " + lasts[count - 1]);
            }
            if (count > 0 && first == lasts[count - 1] + 1L) {
                lasts[count - 1] = (int) last;
                return this;
            }
            if (count == firsts.length) {
                firsts = Arrays.copyOf(firsts, count * 2);
                lasts = Arrays.copyOf(lasts, count * 2);
            }
            firsts[count] = (int) first;
            lasts[count++] = (int) last;
            return this;
        }

        public FrameRanges build() {
            return count == 0 ? EMPTY : new FrameRanges(Arrays.copyOf(firsts, count), Arrays.copyOf(lasts, count));
        }
    }
}
