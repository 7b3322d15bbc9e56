package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.DiskView;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/// Reads on-disk pages back from the disks and compares each one with its checksum, for the disk may not
/// be what it was. Keeps the piece that was read last on demand and the run that was read last for the
/// background. Owned by one thread.
final class DiskPages {
    /// What is read with a demanded page: 64 KiB, aligned, which is one cluster of a qcow2 file.
    static final int PIECE_BLOCKS = 16;

    private final ImageReader image;
    private final ImageDisks disks;
    private final Blocks piece = new Blocks(PIECE_BLOCKS);
    private final Blocks run = new Blocks(FrameGroups.RUN_BLOCKS_MAX);

    DiskPages(ImageReader image, ImageDisks disks) {
        this.image = image;
        this.disks = disks;
    }

    /// Room for blocks of one disk that follow one another.
    private static final class Blocks {
        private final ByteBuffer bytes;
        private final MemorySegment memory;
        private int disk = -1;
        private long first;
        private int count;

        Blocks(int countMax) {
            bytes = ByteBuffer.allocateDirect(countMax * DiskView.BLOCK_BYTES);
            memory = MemorySegment.ofBuffer(bytes);
        }

        boolean hold(int wantedDisk, long block) {
            return disk == wantedDisk && block >= first && block - first < count;
        }

        void load(DiskView view, int newDisk, long newFirst, int newCount) throws IOException {
            forget(); // Not the old ones either, if the read fails half-way.
            view.read(newFirst, bytes.clear().limit(newCount * DiskView.BLOCK_BYTES));
            disk = newDisk;
            first = newFirst;
            count = newCount;
        }

        void forget() {
            disk = -1;
        }
    }

    /// Reads pages as [PageSource#read] does, with a piece of the disk around the first of them.
    ByteBuffer readPiece(long frame, int countMax) throws IOException {
        int disk = image.disk(frame);
        long block = image.diskBlock(frame);
        if (holds(run, frame, disk, block)) {
            return pages(run, frame, block, countMax);
        }
        if (!holds(piece, frame, disk, block)) {
            long first = block - block % PIECE_BLOCKS;
            load(piece, disk, block, first, (int)
                    Math.min(PIECE_BLOCKS, disks.view(disk).blockCount() - first));
            refuseUnlessHeld(piece, frame, disk, block);
        }
        return pages(piece, frame, block, countMax);
    }

    /// Reads pages as [PageSource#read] does, with everything behind them up to the last block of a run.
    ByteBuffer readRun(long frame, int countMax, long lastBlock) throws IOException {
        int disk = image.disk(frame);
        long block = image.diskBlock(frame);
        if (holds(piece, frame, disk, block)) {
            return pages(piece, frame, block, countMax);
        }
        if (!holds(run, frame, disk, block)) {
            int count = Math.clamp(lastBlock - block + 1, 1, FrameGroups.RUN_BLOCKS_MAX);
            load(run, disk, block, block, count);
            refuseUnlessHeld(run, frame, disk, block);
        }
        return pages(run, frame, block, countMax);
    }

    /// Reads blocks around the wanted one, or that one alone where a bad sector is among the others.
    private void load(Blocks blocks, int disk, long wanted, long first, int count) throws IOException {
        try {
            blocks.load(disks.view(disk), disk, first, count);
        } catch (IOException e) {
            if (count == 1) {
                throw e;
            }
            blocks.load(disks.view(disk), disk, wanted, 1);
        }
    }

    /// {@return whether the page is at hand}. A block that is at hand and is another page is read again: the
    /// disk may have been put right since.
    private boolean holds(Blocks blocks, long frame, int disk, long block) throws IOException {
        return blocks.hold(disk, block) && isIntact(blocks, (int) (block - blocks.first), frame);
    }

    private void refuseUnlessHeld(Blocks blocks, long frame, int disk, long block) throws IOException {
        if (!holds(blocks, frame, disk, block)) {
            throw changed(disk, block, frame);
        }
    }

    /// {@return what to say of a block that is another page now}
    static RestoreException changed(int disk, long block, long frame) {
        return new RestoreException(("disk %d: block %d is not what page frame %d of the guest was, "
                        + "the disk was changed since its image was made; put the old content back")
                .formatted(disk, block, frame));
    }

    /// @param frame whose page is held and intact
    private ByteBuffer pages(Blocks blocks, long frame, long block, int countMax) throws IOException {
        int start = (int) (block - blocks.first);
        int end = Math.min(countMax, blocks.count - start);
        int count = 1;
        while (count < end
                && follows(blocks, frame + count, block + count)
                && isIntact(blocks, start + count, frame + count)) {
            count++;
        }
        return blocks.bytes.slice(start * DiskView.BLOCK_BYTES, count * DiskView.BLOCK_BYTES);
    }

    private boolean isIntact(Blocks blocks, int index, long frame) throws IOException {
        long offset = (long) index * DiskView.BLOCK_BYTES;
        return image.isIntact(frame, blocks.memory.asSlice(offset, RamBlock.TARGET_PAGE_BYTES));
    }

    /// {@return whether the page of the frame is this block of the disk that is held}
    private boolean follows(Blocks blocks, long frame, long block) throws IOException {
        return frame < image.frameCount()
                && image.pageClass(frame) == PageClass.ON_DISK
                && image.disk(frame) == blocks.disk
                && image.diskBlock(frame) == block;
    }
}
