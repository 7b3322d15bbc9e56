package dev.dormouse.restore;

import dev.dormouse.disk.DiskView;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.nio.ByteBuffer;

/// The pages of a checkpoint image, from its extents, from the disks to which it refers, and from copies of what is on
/// these. A duplicate belongs to the group of the page that it repeats. Keeps the extent that was read last, because
/// its other pages come next.
final class ImagePageSource implements PageSource, AutoCloseable {
    private final ImageReader image;
    private final SavedPages saved;
    private final ImageDisks disks;
    private final FrameGroups groups;
    private final SavedPages.Extent extent;
    private final DiskPages diskPages;
    private int loadedExtent = -1;

    /// @param disks taken over, also if this fails
    ImagePageSource(SavedPages saved, ImageDisks disks) throws IOException {
        this.image = saved.image();
        this.saved = saved;
        this.disks = disks;
        boolean complete = false;
        try {
            groups = new FrameGroups(saved, disks);
            complete = true;
        } finally {
            if (!complete) {
                disks.close();
            }
        }
        extent = saved.newExtent();
        diskPages = new DiskPages(image, disks);
    }

    @Override
    public long frameCount() {
        return image.frameCount();
    }

    @Override
    public long nonZeroCount() {
        return groups.nonZeroCount();
    }

    /// {@return the number of pages of one class}
    long count(PageClass pageClass) {
        return groups.count(pageClass);
    }

    @Override
    public boolean isZero(long frame) throws IOException {
        return image.pageClass(frame) == PageClass.ZERO;
    }

    @Override
    public boolean isOnDisk(long frame) throws IOException {
        return image.pageClass(frame) == PageClass.ON_DISK;
    }

    @Override
    public int group(long frame) throws IOException {
        int index = saved.extentIndex(frame);
        return index >= 0 ? index : groups.diskGroup(frame);
    }

    @Override
    public int groupCount() {
        return groups.groupCount();
    }

    @Override
    public FrameList frames(int group) {
        return groups.frames(group);
    }

    /// In an extent: those of the same one, and of the extents beside it. On a disk: what stands in the same
    /// aligned piece of it.
    @Override
    public FrameList neighbours(long frame, int countMax) throws IOException {
        int extentIndex = saved.extentIndex(frame);
        if (extentIndex >= 0) {
            return groups.aroundInExtents(extentIndex, frame, countMax);
        }
        FrameList group = frames(group(frame));
        long firstBlock = image.diskBlock(frame) / DiskPages.PIECE_BLOCKS * DiskPages.PIECE_BLOCKS;
        int first = 0;
        while (image.diskBlock(group.get(first)) < firstBlock) {
            first++;
        }
        int end = first;
        while (end < Math.min(group.size(), first + countMax)
                && image.diskBlock(group.get(end)) < firstBlock + DiskPages.PIECE_BLOCKS) {
            end++;
        }
        return group.slice(first, end);
    }

    @Override
    public ByteBuffer read(long frame, int countMax, Reading reading) throws IOException {
        int extentIndex = saved.extentIndex(frame);
        if (extentIndex >= 0) {
            return saved.isOfCopies(extentIndex) ? readCopies(frame, countMax) : readExtent(frame, countMax);
        }
        return switch (reading) {
            case DEMAND -> diskPages.readPiece(frame, countMax);
            case BACKGROUND -> diskPages.readRun(frame, countMax, lastBlock(groups.diskGroup(frame)));
        };
    }

    @Override
    public GroupBuffer newGroupBuffer() {
        return new GroupPages(saved, disks, groups);
    }

    /// The kernel reads then, behind the caller's back.
    @Override
    public long willNeed(int first, int count) throws IOException {
        int extents = Math.clamp(saved.extentCount() - first, 0, count);
        long bytes = saved.willNeed(first, extents);
        for (int group = first + extents; group < first + count; group++) {
            long frame = groups.frame(group, 0);
            long block = image.diskBlock(frame);
            long run = runBytes(group);
            disks.view(image.disk(frame)).willNeed(block, Math.toIntExact(run / DiskView.BLOCK_BYTES));
            bytes += run;
        }
        return bytes;
    }

    /// {@return the bytes that storage gives for all pages}
    long storageBytes() throws IOException {
        long bytes = 0;
        for (int group = 0; group < groupCount(); group++) {
            bytes += group < saved.extentCount() ? saved.extentLengthBytes(group) : runBytes(group);
        }
        return bytes;
    }

    private long runBytes(int diskGroup) throws IOException {
        long blocks = lastBlock(diskGroup) - image.diskBlock(groups.frame(diskGroup, 0)) + 1;
        return blocks * DiskView.BLOCK_BYTES;
    }

    private long lastBlock(int diskGroup) throws IOException {
        return image.diskBlock(groups.frame(diskGroup, groups.size(diskGroup) - 1));
    }

    /// A copy that cannot be read, or is none, costs a read of the disk.
    private ByteBuffer readCopies(long frame, int countMax) throws IOException {
        try {
            return readExtent(frame, countMax);
        } catch (IOException _) {
            return diskPages.readPiece(frame, countMax);
        }
    }

    private ByteBuffer readExtent(long frame, int countMax) throws IOException {
        int index = saved.extentIndex(frame);
        int slot = saved.slot(frame);
        boolean served = false;
        try {
            if (index != loadedExtent) {
                extent.read(index);
                loadedExtent = index;
            }
            image.verifyPage(frame, extent.page(slot));
            served = true;
        } finally {
            if (!served) {
                loadedExtent = -1; // The next try must ask the file.
            }
        }
        int count = 1;
        while (count < countMax
                && follows(frame + count, index, slot + count)
                && isIntact(frame + count, slot + count)) {
            count++;
        }
        return extent.pages(slot, count);
    }

    /// A damaged page must not cost the good ones before it; asked for itself, it says what is wrong.
    private boolean isIntact(long frame, int slot) throws IOException {
        return image.isIntact(frame, extent.pageSegment(slot));
    }

    /// {@return whether the page of the frame lies in this slot of this extent}
    private boolean follows(long frame, int extentIndex, int slot) throws IOException {
        return frame < image.frameCount() && saved.extentIndex(frame) == extentIndex && saved.slot(frame) == slot;
    }

    @Override
    public void close() throws IOException {
        extent.close();
        disks.close();
    }
}
