package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/// Pages that go ahead of the background, read and verified while QEMU still starts, so that they only have to be
/// placed when it can take them. By frame, so that runs of the guest's memory lie together whatever the extents
/// from which they came. At most 64 MiB, outside the heap.
///
/// A thread of the executor reads until [#stop]; everything else is one thread's, the server's.
final class StagedPages implements PageSource.FrameList, AutoCloseable {
    static final int PAGES_MAX = 16 << 10;
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;

    private final Arena arena = Arena.ofShared();
    private final PageSource source;
    private final PageSource.FrameList wanted;
    private final int wantedCount;
    private final FrameSet staged;
    private final long[] slots; // The frame of each, ascending.
    private final AtomicBoolean begun = new AtomicBoolean();
    private final CountDownLatch done = new CountDownLatch(1);
    private volatile boolean stopped;
    private @Nullable MemorySegment bytes;
    private long[] frames = {};

    private StagedPages(PageSource source, PageSource.FrameList wanted) {
        this.source = source;
        this.wanted = wanted;
        wantedCount = Math.min(wanted.size(), PAGES_MAX);
        staged = new FrameSet(source.frameCount());
        slots = new long[wantedCount];
        for (int i = 0; i < wantedCount; i++) {
            slots[i] = wanted.get(i);
        }
        Arrays.sort(slots);
    }

    /// Begins to read the first of these frames.
    ///
    /// @param wanted frames that are not zero, each once, in the order in which they are read best
    static StagedPages begin(PageSource source, PageSource.FrameList wanted, Executor executor) {
        var pages = new StagedPages(source, wanted);
        executor.execute(pages::read);
        return pages;
    }

    private void read() {
        if (!begun.compareAndSet(false, true)) {
            return;
        }
        try {
            readAll();
        } catch (IOException | RuntimeException _) {
            // It is read again when its turn comes, and whoever does that says what is wrong.
        } finally {
            done.countDown();
        }
    }

    private void readAll() throws IOException {
        bytes = arena.allocate((long) wantedCount * PAGE, PAGE);
        try (PageSource.GroupBuffer buffer = source.newGroupBuffer()) {
            for (int i = 0; i < wantedCount && !stopped; ) {
                int group = source.group(wanted.get(i));
                buffer.read(group);
                for (; i < wantedCount && source.group(wanted.get(i)) == group; i++) {
                    put(wanted.get(i), buffer.pages(wanted.get(i), 1));
                }
            }
        }
    }

    private void put(long frame, ByteBuffer page) {
        long offset = (long) Arrays.binarySearch(slots, frame) * PAGE;
        MemorySegment.copy(MemorySegment.ofBuffer(page), 0, Objects.requireNonNull(bytes), offset, PAGE);
        staged.add(frame);
    }

    /// Waits until the group that is being read is there, and has no more read. From then on the frames of this list
    /// are those that were read, ascending.
    void stop() {
        stopped = true;
        if (begun.compareAndSet(false, true)) {
            done.countDown(); // Whoever comes to it finds that it is not wanted any more.
        }
        awaitReader();
        frames = LongStream.of(slots).filter(staged::contains).toArray();
    }

    private void awaitReader() {
        boolean interrupted = false;
        while (true) {
            try {
                done.await();
                break;
            } catch (InterruptedException _) {
                interrupted = true; // What it reads into is given back next.
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    boolean contains(long frame) {
        return staged.contains(frame);
    }

    @Override
    public int size() {
        return frames.length;
    }

    @Override
    public long get(int index) {
        return frames[index];
    }

    /// {@return the pages of a frame of this list and of those behind it, at most so many, 4096 bytes each; valid
    /// until this is closed}
    ByteBuffer pages(long frame, int countMax) {
        int slot = Arrays.binarySearch(slots, frame);
        int count = 1;
        while (count < countMax
                && slot + count < wantedCount
                && slots[slot + count] == frame + count
                && staged.contains(frame + count)) {
            count++;
        }
        return Objects.requireNonNull(bytes)
                .asSlice((long) slot * PAGE, (long) count * PAGE)
                .asByteBuffer();
    }

    /// Gives the memory back.
    @Override
    public void close() {
        if (arena.scope().isAlive()) {
            stop();
            frames = new long[0];
            arena.close();
        }
    }
}
