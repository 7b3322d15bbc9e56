package dev.dormouse.restore;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdCompressCtx;
import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.WriterOptions;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.stream.LongStream;

/// Copies of pages of a working set that stand on the VM's disks, one behind the other and compressed: a restore reads
/// fewer bytes, and these in one piece, where the disk would have it seek. They are an image of their own, in which all
/// else is zero, and an addition: whoever deletes them has a restore read the disks.
///
/// What hardly becomes smaller is left to the disks, and all copies together take no more than an eighth of what is not
/// zero, for images are to be small (`docs/adr/0049-copies-of-the-working-set.md`).
public final class WorkingSetCopies {
    /// What is tried is what becomes one extent.
    private static final WriterOptions WRITER = WriterOptions.defaults();
    private static final int BATCH_PAGES = WRITER.extentPages();
    private static final int BATCH_BYTES = BATCH_PAGES * RamBlock.TARGET_PAGE_BYTES;
    private static final int SHARE_OF_NON_ZERO = 8;
    /// A page of the set stands alone on its disk, and each read counts. Everything else is read as it lies.
    private static final double PACKED_SHARE_OF_SET = 0.75;
    private static final double PACKED_SHARE_OF_REST = 0.5;

    private final ImagePageSource source;
    private final RamLayout layout;
    private final ImageWriter writer;
    private final long bytesMax;
    private final ByteBuffer batch = ByteBuffer.allocateDirect(BATCH_BYTES);
    private final ByteBuffer compressed = ByteBuffer.allocateDirect((int) Zstd.compressBound(BATCH_BYTES));
    private long pages;
    private long bytes;

    /// @param image whose pages are copied
    /// @param writer of the copies, with the blocks of the image and the usual extents; whoever made it
    ///     publishes it
    public WorkingSetCopies(PreparedImage image, ImageWriter writer) {
        this.source = image.source();
        this.layout = image.layout();
        this.writer = writer;
        bytesMax = source.nonZeroCount() * RamBlock.TARGET_PAGE_BYTES / SHARE_OF_NON_ZERO;
    }

    /// Asked again and again whether to go on.
    @FunctionalInterface
    public interface GoesOn {
        boolean ask() throws IOException;
    }

    /// Copies what a guest is expected to touch, the earliest first, and of one that wants everything what else is on
    /// disks, until that is enough.
    ///
    /// @return the pages that were copied; 0 if it was not to go on
    public long copy(WorkingSet set, GoesOn goesOn) throws IOException {
        var known = new FrameSet(source.frameCount());
        long[] ofSet = ofSet(set, known);
        long[] rest = set.wantsEverything() ? rest(known) : new long[0];
        try (var zstd = new ZstdCompressCtx()) {
            zstd.setLevel(WRITER.compressionLevel());
            boolean done =
                    copy(ofSet, PACKED_SHARE_OF_SET, zstd, goesOn) && copy(rest, PACKED_SHARE_OF_REST, zstd, goesOn);
            return done ? pages : 0;
        }
    }

    /// {@return the frames of the set whose pages are on disks}
    private long[] ofSet(WorkingSet set, FrameSet known) throws IOException {
        var frames = LongStream.builder();
        for (int time = 0; time < WorkingSet.GROUP_COUNT; time++) {
            for (int i = 0; i < set.size(time); i++) {
                long frame = set.frame(time, i);
                if (source.isOnDisk(frame) && known.add(frame)) {
                    frames.add(frame);
                }
            }
        }
        return frames.build().toArray();
    }

    private long[] rest(FrameSet known) throws IOException {
        var frames = LongStream.builder();
        for (long frame = 0; frame < source.frameCount(); frame++) {
            if (source.isOnDisk(frame) && !known.contains(frame)) {
                frames.add(frame);
            }
        }
        return frames.build().toArray();
    }

    /// @param packedShare how large a batch may be when it is compressed, as a share of what it was
    /// @return false if it was not to go on
    private boolean copy(long[] frames, double packedShare, ZstdCompressCtx zstd, GoesOn goesOn) throws IOException {
        for (int first = 0; first < frames.length && bytes < bytesMax; first += BATCH_PAGES) {
            if (!goesOn.ask()) {
                return false;
            }
            copy(frames, first, Math.min(first + BATCH_PAGES, frames.length), packedShare, zstd);
        }
        return true;
    }

    private void copy(long[] frames, int first, int end, double packedShare, ZstdCompressCtx zstd) throws IOException {
        batch.clear();
        for (int i = first; i < end; i++) {
            batch.put(source.read(frames[i], 1, PageSource.Reading.DEMAND));
        }
        int plain = batch.position();
        int packed = zstd.compressDirectByteBuffer(compressed, 0, compressed.capacity(), batch, 0, plain);
        if (packed > plain * packedShare) {
            return;
        }
        for (int i = first; i < end; i++) {
            int block = layout.blockIndex(frames[i]);
            ByteBuffer page = batch.slice((i - first) * RamBlock.TARGET_PAGE_BYTES, RamBlock.TARGET_PAGE_BYTES);
            writer.addPage(block, frames[i] - layout.firstFrame(block), page);
        }
        pages += end - first;
        bytes += packed;
    }
}
