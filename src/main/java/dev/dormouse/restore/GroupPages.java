package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.DiskView;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One group of an image's pages, read as a whole: an extent, or a run of blocks of a disk. What is costly
/// (reading, decompressing, hashing) happens in [#read]; handing pages out compares numbers only. A copy that cannot be
/// read costs time and nothing else: its page is on a disk.
final class GroupPages implements PageSource.GroupBuffer {
    private final ImageReader image;
    private final SavedPages saved;
    private final ImageDisks disks;
    private final FrameGroups groups;
    private SavedPages.@Nullable Extent extent; // Either of the two is made when it is needed first.
    private @Nullable ByteBuffer run;
    private final long[] checksums;
    private @Nullable DiskPages insteadOfCopies;
    private boolean damaged;
    private int group = -1;
    private int count;
    private int disk; // Of a run; -1 for an extent.
    private long firstBlock;

    GroupPages(SavedPages saved, ImageDisks disks, FrameGroups groups) {
        this.image = saved.image();
        this.saved = saved;
        this.disks = disks;
        this.groups = groups;
        checksums = new long[Math.max(saved.extentPages(), FrameGroups.RUN_BLOCKS_MAX)];
    }

    @Override
    public void read(int newGroup) throws IOException {
        group = -1;
        damaged = false;
        if (saved.isOfCopies(newGroup)) {
            readCopies(newGroup);
        } else if (newGroup < saved.extentCount()) {
            readExtent(newGroup);
        } else {
            readRun(newGroup);
        }
        group = newGroup;
    }

    private void readCopies(int index) {
        try {
            readExtent(index);
        } catch (IOException _) {
            damaged = true;
        }
    }

    private void readExtent(int index) throws IOException {
        extent = extent == null ? saved.newExtent() : extent;
        extent.read(index);
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
        if (damaged || (saved.isOfCopies(group) && checksums[start] != image.checksum(frame))) {
            return fromDisk(frame, countMax);
        }
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

    /// A buffer of its own each time, for it is valid until another group is read, and the next piece is not.
    private ByteBuffer fromDisk(long frame, int countMax) throws IOException {
        insteadOfCopies = insteadOfCopies == null ? new DiskPages(image, disks) : insteadOfCopies;
        ByteBuffer pages = insteadOfCopies.readPiece(frame, countMax);
        return ByteBuffer.allocateDirect(pages.remaining()).put(pages).flip();
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
            return saved.extentIndex(frame) == group ? saved.slot(frame) : -1;
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
