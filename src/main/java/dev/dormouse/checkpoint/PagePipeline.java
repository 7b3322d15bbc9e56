package dev.dormouse.checkpoint;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.FrameRanges;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.PageHasher;
import dev.dormouse.storage.SparseFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import org.jspecify.annotations.Nullable;

/// Takes pages into an image with the work of all processors: workers read, hash and look up batches of
/// pages; the owner's thread takes them over in the order in which they came, so that the same pages make
/// the same image whatever the number of threads. A bounded number of batches exists; the owner is held
/// back when all are in flight.
final class PagePipeline implements AutoCloseable {
    private final ImageWriter writer;
    private final DiskLookup disks;
    private final Arena arena = Arena.ofShared();
    private final ArrayDeque<PageBatch> free = new ArrayDeque<>();
    private final ArrayDeque<PageBatch> inFlight = new ArrayDeque<>();
    private final BlockingQueue<PageBatch> queue;
    /// Tells a worker to end; interrupting it could close a disk's channel under everybody's hands.
    private final PageBatch end = new PageBatch(arena);

    private final Thread[] workers;
    private final HotPages hot = new HotPages();
    private volatile @Nullable Heat heat;
    private @Nullable PageBatch current;

    PagePipeline(ImageWriter writer, DiskLookup disks, int threads) {
        this.writer = writer;
        this.disks = disks;
        int batches = threads * 3 + 2;
        queue = new ArrayBlockingQueue<>(batches + threads);
        for (int i = 0; i < batches; i++) {
            free.add(new PageBatch(arena));
        }
        workers = new Thread[threads];
        for (int i = 0; i < threads; i++) {
            PageHasher hasher = writer.newHasher();
            workers[i] = Thread.ofPlatform().name("capture-" + i).daemon().start(() -> work(hasher));
        }
    }

    private void work(PageHasher hasher) {
        try {
            for (PageBatch batch = queue.take(); batch != end; batch = queue.take()) {
                batch.work(hasher, disks, heat);
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt(); // Nobody does; the thread ends.
        }
    }

    void addZero(int block, long frame) throws IOException {
        PageBatch batch = batch();
        batch.addZero(block, frame);
        submitIfFull(batch);
    }

    /// Copies the page.
    void addPage(int block, long frame, ByteBuffer data) throws IOException {
        PageBatch batch = batch();
        batch.addPage(block, frame, data);
        submitIfFull(batch);
    }

    /// Has pages of shared memory read, at most [PageBatch#PAGES].
    void addRange(int block, long frame, int pages, SparseFile file, Pass pass, @Nullable RememberedPages remembered)
            throws IOException {
        submitCurrent();
        batch().addRange(block, frame, pages, file, pass, remembered);
        submitCurrent();
    }

    /// Returns when all pages so far are in the image.
    void finish() throws IOException {
        submitCurrent();
        while (!inFlight.isEmpty()) {
            takeOldest();
        }
    }

    /// Keeps back what is hot from now on, until [#complete].
    void keepBack(Heat known) {
        heat = known;
    }

    /// Puts into the image what was kept back; no page comes after it.
    ///
    /// @param memory the first RAM block
    void complete(RamBlock memory) throws IOException {
        finish();
        hot.writeTo(writer);
        Heat known = heat;
        if (known != null) { // Where it lies is known only now; it lies together anyway.
            known.kernel().forEachFrame(memory, hot::note);
        }
    }

    /// {@return the frames that are hot}
    FrameRanges hotFrames() {
        return hot.frames();
    }

    private PageBatch batch() throws IOException {
        if (current == null) {
            if (free.isEmpty()) {
                takeOldest();
            }
            current = free.remove().clear();
        }
        return current;
    }

    private void submitIfFull(PageBatch batch) {
        if (batch.isFull()) {
            submitCurrent();
        }
    }

    /// Never blocks: the queue has room for every batch there is.
    private void submitCurrent() {
        if (current != null && !current.isEmpty()) {
            inFlight.add(current);
            queue.add(current);
            current = null;
        }
    }

    private void takeOldest() throws IOException {
        PageBatch batch = inFlight.remove();
        batch.await();
        for (int i = 0; i < batch.count(); i++) {
            take(batch, i);
        }
        free.add(batch);
    }

    private void take(PageBatch batch, int i) throws IOException {
        int block = batch.block(i);
        long frame = batch.frame(i);
        switch (batch.fate(i)) {
            case KEEP -> {
                return;
            }
            case ZERO -> {
                drop(block, frame);
                writer.addZero(block, frame);
            }
            case STORE -> {
                store(batch, i);
                batch.rememberIfFirst(i, DiskLookup.NOT_FOUND);
            }
            case ON_DISK -> {
                drop(block, frame);
                long location = batch.location(i);
                writer.addOnDisk(
                        block,
                        frame,
                        DiskLookup.disk(location),
                        DiskLookup.block(location),
                        batch.hash(i).checksum());
                batch.rememberIfFirst(i, location);
            }
        }
        if (batch.pass() == Pass.SECOND) {
            assert block == 0 : "two passes are made of the first block only";
            hot.note(frame);
        }
    }

    private void store(PageBatch batch, int i) throws IOException {
        int block = batch.block(i);
        long frame = batch.frame(i);
        boolean kept = heat != null && block == 0 && (batch.isHot(i) || hot.isKept(frame));
        if (!kept || !hot.keep(frame, batch.page(i), batch.hash(i))) {
            writer.addPage(block, frame, batch.page(i), batch.hash(i));
        }
    }

    private void drop(int block, long frame) {
        if (block == 0) {
            hot.drop(frame);
        }
    }

    /// Waits for the batches that the workers have begun, a fraction of a millisecond each.
    @Override
    public void close() {
        queue.clear();
        for (int i = 0; i < workers.length; i++) {
            queue.add(end);
        }
        boolean interrupted = false;
        for (Thread worker : workers) {
            while (worker.isAlive()) {
                try {
                    worker.join();
                } catch (InterruptedException _) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        hot.close();
        arena.close();
    }
}
