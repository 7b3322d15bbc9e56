package dev.dormouse.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;

/// How many blocks of 4096 bytes each of the machine's disks has, as far as pages may refer to them: the
/// bound for every page that is on a disk. Immutable.
final class DiskBlockCounts {
    static final DiskBlockCounts NONE = new DiskBlockCounts(new long[0]);

    private final long[] counts;

    private DiskBlockCounts(long[] counts) {
        this.counts = counts;
    }

    /// @throws IllegalArgumentException if an image cannot hold them
    static DiskBlockCounts of(long... counts) {
        boolean valid = Arrays.stream(counts).allMatch(DiskBlockCounts::isCount);
        if (counts.length > ImageFormat.DISKS_MAX || !valid) {
            throw new IllegalArgumentException("block counts " + Arrays.toString(counts)
                    + " of disks, 0 to 2^48 blocks on up to 256 disks are allowed");
        }
        return new DiskBlockCounts(counts.clone());
    }

    static DiskBlockCounts read(ImageFile in, SectionDirectory sections) throws IOException {
        Section section = sections.section(SectionType.DISKS);
        in.check(
                sections.plainLengthBytes(SectionType.DISKS) % Long.BYTES == 0,
                section.offset(),
                "list of disks has %d bytes, not a multiple of 8",
                sections.plainLengthBytes(SectionType.DISKS));
        ByteBuffer bytes = sections.read(SectionType.DISKS);
        var counts = new long[bytes.remaining() / Long.BYTES];
        for (int disk = 0; disk < counts.length; disk++) {
            counts[disk] = bytes.getLong();
            in.check(
                    isCount(counts[disk]),
                    section.offset() + (long) disk * Long.BYTES,
                    "disk %d has %s blocks, at most 2^48 are allowed",
                    disk,
                    Long.toUnsignedString(counts[disk]));
        }
        return new DiskBlockCounts(counts);
    }

    ByteBuffer encode() {
        ByteBuffer bytes = ByteBuffer.allocateDirect(counts.length * Long.BYTES).order(ImageFormat.ORDER);
        for (long count : counts) {
            bytes.putLong(count);
        }
        return bytes.flip();
    }

    int diskCount() {
        return counts.length;
    }

    long blockCount(int disk) {
        return counts[disk];
    }

    boolean contains(int disk, long block) {
        return disk < counts.length && block >= 0 && block < counts[disk];
    }

    /// A reference beyond a disk would make an image that nobody can read.
    ///
    /// @throws IllegalStateException if the table holds one
    void check(PageTableBuilder pageTable) {
        for (int index = 0; index < pageTable.chunkCount(); index++) {
            if (pageTable.hasChunk(index)) {
                check(pageTable, index);
            }
        }
    }

    private void check(PageTableBuilder pageTable, int chunk) {
        long first = (long) chunk * ImageFormat.CHUNK_ENTRIES;
        long end = first + ImageFormat.chunkEntries(pageTable.frameCount(), chunk);
        for (long frame = first; frame < end; frame++) {
            long locator = pageTable.locator(frame);
            if (PageLocator.classCode(locator) == PageClass.ON_DISK.code()
                    && !contains(PageLocator.slot(locator), PageLocator.location(locator))) {
                throw new IllegalStateException("frame %d is block %d of disk %d, the disks have %s blocks"
                        .formatted(
                                frame,
                                PageLocator.location(locator),
                                PageLocator.slot(locator),
                                Arrays.toString(counts)));
            }
        }
    }

    private static boolean isCount(long count) {
        return count >= 0 && count <= ImageFormat.DISK_BLOCKS_MAX;
    }
}
