package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.ExtentEntry;
import dev.dormouse.storage.AtomicFile;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import org.jspecify.annotations.Nullable;

/// Gathers stored pages into extents and writes them one after another, in the order in which they
/// were filled, so that the same pages make the same file whatever the number of threads. One thread;
/// it is held back when all jobs are in flight.
final class ExtentStream implements AutoCloseable {
    /// Large enough to keep a disk busy with sequential writes, small enough to begin early.
    private static final long WRITEBACK_BYTES = 8 << 20;

    private final AtomicFile file;
    private final ExtentCompressor compressor;
    private final ArrayDeque<ExtentJob> free = new ArrayDeque<>();
    private final ArrayDeque<ExtentJob> inFlight = new ArrayDeque<>();
    private final ImageCipher.@Nullable Box box;
    private ByteBuffer table = newTable(1 << 10);
    private ExtentJob current;
    private int nextExtent;
    private int writtenExtents;
    private long end = ImageFormat.Header.SIZE_BYTES;
    private long writebackEnd;

    /// @param cipher null if the image is not encrypted
    ExtentStream(AtomicFile file, WriterOptions options, @Nullable ImageCipher cipher) {
        this.file = file;
        this.box = cipher == null ? null : cipher.newBox();
        int jobCount = options.compressionThreads() * 2 + 2;
        compressor = new ExtentCompressor(options.compressionThreads(), jobCount, options.compressionLevel());
        for (int i = 1; i < jobCount; i++) {
            free.add(new ExtentJob(options.extentPages(), cipher != null));
        }
        current = new ExtentJob(options.extentPages(), cipher != null);
    }

    /// {@return the locator that the next page to be added gets}
    long nextLocator() {
        return PageLocator.of(PageClass.STORED, current.pageCount(), nextExtent);
    }

    void add(MemorySegment page) throws IOException {
        current.add(page);
        if (current.isFull()) {
            submit();
            current = freeJob();
        }
    }

    /// Writes what is still in flight; after it nothing may be added.
    void finish() throws IOException {
        if (current.pageCount() > 0) {
            submit();
        }
        drain();
    }

    /// Writes the extents that are full.
    void drain() throws IOException {
        while (!inFlight.isEmpty()) {
            free.add(writeOldest());
        }
    }

    int extentCount() {
        return nextExtent;
    }

    /// {@return where the extents that are written end}
    long end() {
        return end;
    }

    /// {@return the extent table, complete after [#finish]}
    ByteBuffer table() {
        return table.slice(0, writtenExtents * ExtentEntry.SIZE_BYTES).order(ImageFormat.ORDER);
    }

    @Override
    public void close() {
        compressor.close();
    }

    private void submit() throws IOException {
        if (nextExtent == ImageFormat.EXTENTS_MAX) {
            throw new ImageTooLargeException(file.target(), ImageFormat.EXTENTS_MAX);
        }
        nextExtent++;
        inFlight.add(current);
        compressor.submit(current);
    }

    private ExtentJob freeJob() throws IOException {
        ExtentJob job = free.poll();
        if (job == null) {
            job = writeOldest();
        }
        job.clear();
        return job;
    }

    private ExtentJob writeOldest() throws IOException {
        ExtentJob job = inFlight.remove();
        try {
            job.await();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException(file.target() + ": writing the image was interrupted");
        }
        if (box != null) {
            job.seal(box, end);
        }
        ByteBuffer bytes = job.bytes();
        int lengthBytes = bytes.remaining();
        file.writeFully(bytes, end);
        int at = writtenExtents * ExtentEntry.SIZE_BYTES;
        if (at == table.capacity()) {
            table = newTable(writtenExtents * 2).put(0, table, 0, at);
        }
        job.writeEntry(table, at, end);
        writtenExtents++;
        end += lengthBytes;
        if (end - writebackEnd >= WRITEBACK_BYTES) {
            file.startWriteback(writebackEnd, end - writebackEnd);
            writebackEnd = end;
        }
        return job;
    }

    private static ByteBuffer newTable(int entries) {
        return ByteBuffer.allocateDirect(Math.multiplyExact(entries, ExtentEntry.SIZE_BYTES))
                .order(ImageFormat.ORDER);
    }
}
