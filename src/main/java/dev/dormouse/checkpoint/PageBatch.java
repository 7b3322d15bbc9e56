package dev.dormouse.checkpoint;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.PageHash;
import dev.dormouse.image.PageHasher;
import dev.dormouse.storage.SparseFile;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.concurrent.Semaphore;
import org.jspecify.annotations.Nullable;

/// Some pages on their way into the image: filled or named by the owner's thread, read, hashed and looked
/// up by a worker, taken into the image by the owner again, in the order in which the batches were begun.
/// The semaphore hands a batch back, so its fields need no lock. Reused for the whole capture.
final class PageBatch {
    /// 512 KiB: fits a core's cache, and is some 100 µs of work, so that what is in flight stays small.
    static final int PAGES = 128;

    /// What is to be done with a page.
    enum Fate {
        /// It is zero.
        ZERO,
        /// Its bytes go into the image.
        STORE,
        /// A disk has it.
        ON_DISK,
        /// The image has it already, from the first pass.
        KEEP
    }

    private final MemorySegment bytes;
    private final int[] blocks = new int[PAGES];
    private final long[] frames = new long[PAGES];
    private final Fate[] fates = new Fate[PAGES];
    private final @Nullable PageHash[] hashes = new PageHash[PAGES];
    private final long[] locations = new long[PAGES];
    private final boolean[] hot = new boolean[PAGES];
    private final Semaphore done = new Semaphore(0);
    private int count;
    private @Nullable SparseFile source;
    private Pass pass = Pass.ONLY;
    private @Nullable RememberedPages remembered;
    private @Nullable Throwable failure;

    PageBatch(Arena arena) {
        bytes = arena.allocate((long) PAGES * RamBlock.TARGET_PAGE_BYTES, RamBlock.TARGET_PAGE_BYTES);
    }

    /// Begins anew, to be filled page by page.
    PageBatch clear() {
        count = 0;
        source = null;
        pass = Pass.ONLY;
        remembered = null;
        failure = null;
        return this;
    }

    boolean isFull() {
        return count == PAGES;
    }

    boolean isEmpty() {
        return count == 0;
    }

    void addZero(int block, long frame) {
        begin(block, frame, Fate.ZERO);
    }

    void addPage(int block, long frame, ByteBuffer data) {
        MemorySegment.copy(
                MemorySegment.ofBuffer(data),
                0,
                bytes,
                (long) count * RamBlock.TARGET_PAGE_BYTES,
                RamBlock.TARGET_PAGE_BYTES);
        begin(block, frame, Fate.STORE);
    }

    /// Names pages of shared memory that follow one another, for the worker to read.
    void addRange(int block, long frame, int pages, SparseFile file, Pass inPass, @Nullable RememberedPages memory) {
        source = file;
        pass = inPass;
        remembered = memory;
        for (int i = 0; i < pages; i++) {
            begin(block, frame + i, Fate.STORE);
        }
    }

    private void begin(int block, long frame, Fate fate) {
        blocks[count] = block;
        frames[count] = frame;
        fates[count] = fate;
        count++;
    }

    /// On a worker. Whatever happens, the owner is told.
    void work(PageHasher hasher, DiskLookup disks, @Nullable Heat heat) {
        try {
            if (source != null) {
                long offset = frames[0] * RamBlock.TARGET_PAGE_BYTES;
                source.readFully(bytes.asSlice(0, (long) count * RamBlock.TARGET_PAGE_BYTES), offset);
            }
            // A hint never crosses batches: which worker has which batch is chance, the image is not.
            long hint = DiskLookup.NOT_FOUND;
            for (int i = 0; i < count; i++) {
                if (fates[i] != Fate.ZERO) {
                    hint = decide(i, hasher, disks, hint);
                    hot[i] = fates[i] == Fate.STORE && (pass == Pass.SECOND || isHot(i, heat));
                }
            }
        } catch (IOException | RuntimeException | Error e) {
            failure = e;
        } finally {
            done.release();
        }
    }

    /// {@return the hint for the next page}
    private long decide(int i, PageHasher hasher, DiskLookup disks, long hint) {
        MemorySegment page = page(i);
        if (PageHasher.isZero(page)) {
            boolean wasZero = pass == Pass.SECOND && !remembered().contains(frames[i]);
            fates[i] = wasZero ? Fate.KEEP : Fate.ZERO;
            return DiskLookup.NOT_FOUND;
        }
        PageHash hash = hasher.hash(page);
        hashes[i] = hash;
        if (pass == Pass.SECOND && isKept(i, hash, page, disks)) {
            fates[i] = Fate.KEEP;
            return DiskLookup.NOT_FOUND;
        }
        long location = disks.find(hash.checksum(), page, hint);
        locations[i] = location;
        fates[i] = location == DiskLookup.NOT_FOUND ? Fate.STORE : Fate.ON_DISK;
        return location == DiskLookup.NOT_FOUND ? DiskLookup.NOT_FOUND : location + 1;
    }

    private boolean isHot(int i, @Nullable Heat heat) {
        return heat != null && blocks[i] == 0 && heat.isHot(frames[i], hash(i).checksum(), page(i));
    }

    /// A page whose bytes are what the first pass stored needs nothing: the image holds the bytes that
    /// were hashed, because they were copied once and then hashed and stored from that copy, even if the
    /// guest wrote the page meanwhile. A page that was left to a disk needs that block to be the same still.
    private boolean isKept(int i, PageHash hash, MemorySegment page, DiskLookup disks) {
        if (!remembered().contains(frames[i], hash)) {
            return false;
        }
        long location = remembered().location(frames[i]);
        return location == DiskLookup.NOT_FOUND || disks.holds(location, hash.checksum(), page);
    }

    private RememberedPages remembered() {
        assert remembered != null : "what comes in two passes is remembered";
        return remembered;
    }

    /// Keeps what the second pass compares with.
    void rememberIfFirst(int i, long location) {
        if (pass == Pass.FIRST) {
            remembered().put(frames[i], hash(i), location);
        }
    }

    /// Waits until the worker is done with it.
    void await() throws IOException {
        try {
            done.acquire();
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("capture: interrupted");
        }
        switch (failure) {
            case null -> {}
            case IOException e -> throw e;
            case Throwable e -> throw new IllegalStateException("capturing some pages failed", e);
        }
    }

    int count() {
        return count;
    }

    Pass pass() {
        return pass;
    }

    int block(int i) {
        return blocks[i];
    }

    long frame(int i) {
        return frames[i];
    }

    Fate fate(int i) {
        return fates[i];
    }

    PageHash hash(int i) {
        PageHash hash = hashes[i];
        assert hash != null : "a page of fate " + fates[i] + " has no hash";
        return hash;
    }

    /// {@return whether a page that is to be stored is likely to be needed soon}
    boolean isHot(int i) {
        return hot[i];
    }

    long location(int i) {
        return locations[i];
    }

    MemorySegment page(int i) {
        return bytes.asSlice((long) i * RamBlock.TARGET_PAGE_BYTES, RamBlock.TARGET_PAGE_BYTES);
    }
}
