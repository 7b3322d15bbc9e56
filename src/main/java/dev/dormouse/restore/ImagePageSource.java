package dev.dormouse.restore;

import dev.dormouse.image.ExtentBuffer;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/// The pages of a checkpoint image. Groups are the image's extents; a duplicate belongs to the group of
/// the page that it repeats. Keeps the extent that was read last, because its other pages come next.
final class ImagePageSource implements PageSource {
    private final ImageReader image;
    private final ExtentBuffer extent;
    private final int[] groupStarts; // One more than groups; indexes into frames.
    private final int[] frames;
    private int loadedExtent = -1;

    ImagePageSource(ImageReader image) throws IOException {
        this.image = image;
        this.extent = image.newExtentBuffer();
        this.groupStarts = new int[image.extentCount() + 1];
        this.frames = sortByExtent();
    }

    /// Counting sort of all non-zero frames by extent; stable, so the frames of an extent ascend. One pass over
    /// the page table, which leaves out chunks of zeros: the guest waits for this.
    private int[] sortByExtent() throws IOException {
        var nonZero = new NonZeroFrames();
        image.forEachNonZero((frame, _, extent, _) -> nonZero.add(Math.toIntExact(frame), Math.toIntExact(extent)));
        for (int i = 0; i < nonZero.count; i++) {
            groupStarts[nonZero.extents[i] + 1]++;
        }
        for (int i = 0; i < image.extentCount(); i++) {
            groupStarts[i + 1] += groupStarts[i];
        }
        int[] next = groupStarts.clone();
        int[] sorted = new int[nonZero.count];
        for (int i = 0; i < nonZero.count; i++) {
            sorted[next[nonZero.extents[i]]++] = nonZero.frames[i];
        }
        return sorted;
    }

    /// Frames and their extents in two growing arrays.
    private static final class NonZeroFrames {
        private int[] frames = new int[1 << 16];
        private int[] extents = new int[1 << 16];
        private int count;

        void add(int frame, int extent) {
            if (count == frames.length) {
                frames = Arrays.copyOf(frames, 2 * count);
                extents = Arrays.copyOf(extents, 2 * count);
            }
            frames[count] = frame;
            extents[count++] = extent;
        }
    }

    @Override
    public long frameCount() {
        return image.frameCount();
    }

    @Override
    public long nonZeroCount() {
        return frames.length;
    }

    @Override
    public boolean isZero(long frame) throws IOException {
        return image.pageClass(frame) == PageClass.ZERO;
    }

    @Override
    public int group(long frame) throws IOException {
        return image.extentIndex(frame);
    }

    @Override
    public int groupCount() {
        return image.extentCount();
    }

    @Override
    public FrameList frames(int group) {
        int start = groupStarts[group];
        int size = groupStarts[group + 1] - start;
        return new FrameList() {
            @Override
            public int size() {
                return size;
            }

            @Override
            public long get(int index) {
                return frames[start + index];
            }
        };
    }

    @Override
    public ByteBuffer read(long frame, int countMax) throws IOException {
        int index = image.extentIndex(frame);
        if (index != loadedExtent) {
            loadedExtent = -1; // Not the old one either, if the read fails half-way.
            image.readExtent(index, extent);
            loadedExtent = index;
        }
        int slot = image.slot(frame);
        image.verifyPage(frame, extent.page(slot));
        int count = 1;
        while (count < countMax
                && follows(frame + count, index, slot + count)
                && isIntact(frame + count, slot + count)) {
            count++;
        }
        return extent.pages(slot, count);
    }

    /// A damaged page must not cost the good ones before it; asked for itself, it says what is wrong.
    private boolean isIntact(long frame, int slot) {
        try {
            image.verifyPage(frame, extent.page(slot));
            return true;
        } catch (IOException _) {
            return false;
        }
    }

    /// {@return whether the page of the frame lies in this slot of this extent}
    private boolean follows(long frame, int extentIndex, int slot) throws IOException {
        return frame < image.frameCount()
                && image.pageClass(frame) != PageClass.ZERO
                && image.extentIndex(frame) == extentIndex
                && image.slot(frame) == slot;
    }
}
