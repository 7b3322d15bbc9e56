package dev.dormouse.checkpoint;

import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.SparseFile;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/// Reads a guest's shared memory straight from its file: once while the guest stands still, or twice, with
/// most of the work done while it still runs. One thread.
///
/// **Two passes are right** whatever the guest does meanwhile. The first pass copies each page once, and
/// hashes and stores that copy, so the image holds exactly the bytes whose hashes are remembered
/// (a copy of a page that was being written may be a mixture; it is stored and hashed as such). The second
/// pass, when guest and devices have come to rest, hashes every page again: equal hashes, the keyed one and
/// the checksum, mean equal bytes, by the argument that holds for duplicates
/// ([dev.dormouse.image.ImageWriter]); all other pages are added again and the last content wins. What the first pass
/// left to a disk is asked for again
/// ([DiskLookup#holds]). Pages that became holes are set to zero.
final class MemoryCapture implements AutoCloseable {
    /// Told after each batch; may throw to end the capture.
    interface Progress {
        void pages(long pages) throws IOException;
    }

    private final SparseFile file;
    private final int block;
    private final PagePipeline pipeline;
    private final Progress progress;
    private @Nullable RememberedPages remembered;

    MemoryCapture(SparseFile file, int block, PagePipeline pipeline, Progress progress) {
        this.file = file;
        this.block = block;
        this.pipeline = pipeline;
        this.progress = progress;
    }

    /// Reads everything while the guest runs on.
    void readRunning() throws IOException {
        remembered = new RememberedPages(file.lengthBytes() / RamBlock.TARGET_PAGE_BYTES);
        walk(Pass.FIRST);
    }

    /// Reads what is still to be read; the guest stands still, and its migration is completed: before that
    /// a device that is being saved may write guest memory.
    void readPaused() throws IOException {
        walk(remembered == null ? Pass.ONLY : Pass.SECOND);
    }

    /// In the order of the file, so that neighbours in memory are neighbours in the image.
    private void walk(Pass pass) throws IOException {
        long at = 0;
        while (at < file.lengthBytes()) {
            long data = file.nextData(at);
            if (pass == Pass.SECOND) {
                emptied(page(at), page(data));
            }
            long hole = file.nextHole(data);
            read(page(data), page(hole + RamBlock.TARGET_PAGE_BYTES - 1), pass);
            at = hole;
        }
        pipeline.finish();
        progress.pages(page(file.lengthBytes()));
    }

    private void read(long from, long to, Pass pass) throws IOException {
        for (long page = from; page < to; page += PageBatch.PAGES) {
            int pages = (int) Math.min(PageBatch.PAGES, to - page);
            pipeline.addRange(block, page, pages, file, pass, remembered);
            progress.pages(page + pages);
        }
    }

    /// Pages that were not zero in the first pass and are in a hole now.
    private void emptied(long from, long to) throws IOException {
        if (remembered == null) {
            return;
        }
        for (long page = remembered.next(from, to); page < to; page = remembered.next(page + 1, to)) {
            if (remembered.contains(page)) {
                pipeline.addZero(block, page);
            }
        }
    }

    /// Undoes the first pass.
    void forget() throws IOException {
        emptied(0, page(file.lengthBytes()));
    }

    private static long page(long offset) {
        return offset / RamBlock.TARGET_PAGE_BYTES;
    }

    @Override
    public void close() {
        if (remembered != null) {
            remembered.close();
        }
    }
}
