package dev.dormouse.restore;

import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.util.Arrays;

/// The frames of an image's non-zero pages, sorted into groups that are read together: one for each
/// extent, those of copies behind those of the image, then runs of blocks of the disks in the order in which the blocks
/// lie on the host.
///
/// A guest of 64 GiB has 16 million frames, so all of it is in arrays of numbers: 4 bytes for each non-zero
/// page, while it is built 8 more for each on-disk page, and 4 for each frame if there are on-disk pages.
/// Built by one thread, not changed afterwards.
final class FrameGroups {
    /// The blocks that a run spans at most: 256 KiB, read in 2.4 ms at 110 MB/s, for a demand may wait for it.
    static final int RUN_BLOCKS_MAX = 64;
    /// Blocks between two wanted ones that are read and thrown away. Another read operation costs as much as
    /// some 14 blocks at 110 MB/s and 2,000 operations a second, as 2 at 500 MB/s and 50,000.
    static final int GAP_BLOCKS_MAX = 8;

    private final ImageReader image;
    private final SavedPages saved;
    private int storedCount;
    private int duplicateCount;
    private final int[] frames;
    private final int[] groupOf; // By frame, of on-disk pages; empty without any.
    private int[] starts; // Indexes into frames, one more than groups.
    private int groupCount;

    FrameGroups(SavedPages saved, ImageDisks disks) throws IOException {
        this.image = saved.image();
        this.saved = saved;
        starts = new int[saved.extentCount() + 1];
        groupCount = saved.extentCount();
        int[] perDisk = count(disks);
        frames = new int[starts[groupCount] + Arrays.stream(perDisk).sum()];
        groupOf = frames.length > starts[groupCount] ? new int[Math.toIntExact(image.frameCount())] : new int[0];
        sort(perDisk, disks);
    }

    int groupCount() {
        return groupCount;
    }

    int nonZeroCount() {
        return frames.length;
    }

    /// {@return the number of frames whose page is of the class}
    long count(PageClass pageClass) {
        return switch (pageClass) {
            case ZERO -> image.frameCount() - frames.length;
            case STORED -> storedCount;
            case DUPLICATE -> duplicateCount;
            case ON_DISK -> frames.length - storedCount - duplicateCount;
        };
    }

    /// {@return the group of a frame whose page is on a disk, without a copy}
    int diskGroup(long frame) {
        return groupOf[(int) frame];
    }

    int size(int group) {
        return starts[group + 1] - starts[group];
    }

    PageSource.FrameList frames(int group) {
        int start = starts[group];
        return PageSource.FrameList.of(size(group), index -> frames[start + index]);
    }

    long frame(int group, int index) {
        return frames[starts[group] + index];
    }

    /// {@return up to that many frames around one whose page is in an extent, in the order of the extents}
    PageSource.FrameList aroundInExtents(int extent, long frame, int countMax) {
        int at = Arrays.binarySearch(frames, starts[extent], starts[extent + 1], (int) frame);
        int first = Math.max(0, at - countMax / 2);
        int end = Math.min(starts[saved.extentCount()], first + countMax);
        return PageSource.FrameList.of(end - first, index -> frames[first + index]);
    }

    /// Counts the frames of each extent into `starts`. The first of two passes over the page table, which
    /// leaves out chunks of zeros: the guest waits for this.
    ///
    /// @return the frames on each disk
    private int[] count(ImageDisks disks) throws IOException {
        int[] perDisk = new int[ImageDisks.COUNT_MAX];
        saved.forEachNonZero((frame, pageClass, extent, location, slot) -> {
            switch (pageClass) {
                case ON_DISK -> {
                    disks.check(frame, slot, location);
                    if (extent < 0) {
                        perDisk[slot]++;
                        return;
                    }
                }
                case STORED -> storedCount++;
                case DUPLICATE -> duplicateCount++;
                case ZERO -> throw new IllegalStateException("frame " + frame + " is zero");
            }
            starts[extent + 1]++;
        });
        for (int i = 0; i < saved.extentCount(); i++) {
            starts[i + 1] += starts[i];
        }
        return perDisk;
    }

    /// Counting sort by extent; stable, so the frames of an extent ascend. Those of each disk come behind all
    /// of those, first as they come, then by position.
    private void sort(int[] perDisk, ImageDisks disks) throws IOException {
        int[] next = Arrays.copyOf(starts, groupCount);
        int[] nextOnDisk = new int[perDisk.length];
        long[][] positions = new long[perDisk.length][];
        for (int disk = 0, start = starts[groupCount]; disk < perDisk.length; disk++) {
            positions[disk] = new long[perDisk[disk]];
            nextOnDisk[disk] = start;
            start += perDisk[disk];
        }
        int[] diskStarts = nextOnDisk.clone();
        saved.forEachNonZero((frame, _, extent, location, slot) -> {
            if (extent < 0) {
                int index = nextOnDisk[slot]++;
                frames[index] = (int) frame;
                positions[slot][index - diskStarts[slot]] = disks.view(slot).readingOrder(location);
            } else {
                frames[next[extent]++] = (int) frame;
            }
        });
        for (int disk = 0; disk < perDisk.length; disk++) {
            sortByPosition(diskStarts[disk], positions[disk]);
            formRuns(diskStarts[disk], perDisk[disk]);
        }
    }

    /// Sorts the frames from `start` on by their positions. Position and frame go into one number, which the
    /// JDK sorts without a comparator; should they not fit, the lowest bits of the positions are lost, which
    /// costs order and nothing else.
    private void sortByPosition(int start, long[] positions) {
        long bits = 0;
        for (long position : positions) {
            bits |= position;
        }
        int frameBits = Long.SIZE - Long.numberOfLeadingZeros(image.frameCount());
        int unused = bits == 0 ? 0 : Long.numberOfTrailingZeros(bits);
        int used = Long.SIZE - Long.numberOfLeadingZeros(bits) - unused;
        int shift = unused + Math.max(0, used + frameBits - (Long.SIZE - 1));
        for (int i = 0; i < positions.length; i++) {
            positions[i] = ((positions[i] >>> shift) << frameBits) | frames[start + i];
        }
        Arrays.sort(positions);
        for (int i = 0; i < positions.length; i++) {
            frames[start + i] = (int) (positions[i] & ((1L << frameBits) - 1));
        }
    }

    private void formRuns(int start, int count) throws IOException {
        long first = 0;
        long last = 0;
        for (int i = start; i < start + count; i++) {
            long block = image.diskBlock(frames[i]);
            boolean joins =
                    i > start && block >= last && block - last <= GAP_BLOCKS_MAX + 1 && block - first < RUN_BLOCKS_MAX;
            if (!joins) {
                addGroup(i);
                first = block;
            }
            last = block;
            groupOf[frames[i]] = groupCount - 1;
            starts[groupCount] = i + 1;
        }
    }

    private void addGroup(int start) {
        groupCount++;
        if (groupCount == starts.length) {
            starts = Arrays.copyOf(starts, 2 * starts.length);
        }
        starts[groupCount - 1] = start;
    }
}
