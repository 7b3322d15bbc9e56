package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.DiskView;
import dev.dormouse.image.ExtentBuffer;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One group of an image's pages, read as a whole: an extent, or a run of blocks of a disk. What is costly
/// (reading, decompressing, hashing) happens in [#read]; handing pages out compares numbers only.
final class GroupPages implements PageSource.GroupBuffer {
    private final ImageReader image;
    private final ImageDisks disks;
    private final FrameGroups groups;
    private @Nullable ExtentBuffer extent; // Either of the two is made when it is needed first.
    private @Nullable ByteBuffer run;
    private final long[] checksums;
    private int group = -1;
    private int count;
    private int disk; // Of a run; -1 for an extent.
    private long firstBlock;

    GroupPages(ImageReader image, ImageDisks disks, FrameGroups groups) {
        this.image = image;
        this.disks = disks;
        this.groups = groups;
        checksums = new long[Math.max(image.extentPages(), FrameGroups.RUN_BLOCKS_MAX)];
    }

    @Override
    public void read(int newGroup) throws IOException {
        group = -1;
        if (newGroup < image.extentCount()) {
            readExtent(newGroup);
        } else {
            readRun(newGroup);
        }
        group = newGroup;
    }

    private void readExtent(int index) throws IOException {
        extent = extent == null ? image.newExtentBuffer() : extent;
        image.readExtent(index, extent);
        disk = -1;
        count = extent.pageCount();
        for (int slot = 0; slot < count; slot++) {
            checksums[slot] = Xxh3.hash64(extent.pageSegment(slot));
        }
    }

    private void readRun(int index) throws IOException {
        long first = groups.frame(index, 0);
        disk = image.disk(first);
        firstBlock = image.diskBlock(first);
        count = (int) (image.diskBlock(groups.frame(index, groups.size(index) - 1)) - firstBlock) + 1;
        run = run == null ? ByteBuffer.allocateDirect(FrameGroups.RUN_BLOCKS_MAX * DiskView.BLOCK_BYTES) : run;
        disks.view(disk).read(firstBlock, run.clear().limit(count * DiskView.BLOCK_BYTES));
        var memory = MemorySegment.ofBuffer(run.clear());
        for (int i = 0; i < count; i++) {
            long offset = (long) i * RamBlock.TARGET_PAGE_BYTES;
            checksums[i] = Xxh3.hash64(memory.asSlice(offset, RamBlock.TARGET_PAGE_BYTES));
        }
    }

    @Override
    public ByteBuffer pages(long frame, int countMax) throws IOException {
        if (group < 0) {
            throw new IllegalStateException("pages of a group that was not read");
        }
        int start = position(frame);
        if (checksums[start] != image.checksum(frame)) {
            throw refused(frame, start);
        }
        int pages = 1;
        while (pages < countMax
                && start + pages < count
                && frame + pages < image.frameCount()
                && position(frame + pages) == start + pages
                && checksums[start + pages] == image.checksum(frame + pages)) {
            pages++;
        }
        return disk < 0
                ? Objects.requireNonNull(extent).pages(start, pages)
                : Objects.requireNonNull(run).slice(start * DiskView.BLOCK_BYTES, pages * DiskView.BLOCK_BYTES);
    }

    private IOException refused(long frame, int position) throws IOException {
        if (disk < 0) {
            image.verifyPage(frame, Objects.requireNonNull(extent).page(position)); // Says what is wrong.
        }
        return DiskPages.changed(disk, firstBlock + position, frame);
    }

    /// {@return the place of the frame's page in this group, -1 if it has none}
    private int position(long frame) throws IOException {
        if (disk < 0) {
            return image.extentIndex(frame) == group ? image.slot(frame) : -1;
        }
        return image.pageClass(frame) == PageClass.ON_DISK && image.disk(frame) == disk
                ? (int) (image.diskBlock(frame) - firstBlock)
                : -1;
    }

    @Override
    public void close() {
        if (extent != null) {
            extent.close();
        }
    }
}
