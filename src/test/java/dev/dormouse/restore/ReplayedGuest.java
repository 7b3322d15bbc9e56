package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.restore.DemandQueue.Demand;
import dev.dormouse.restore.DemandTrace.Touch;
import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/// The guest of a replay, and the memory into which its pages are placed: [#run] is called by the thread of the guest,
/// the placing by that of the page-fault server.
final class ReplayedGuest implements PagePlacer {
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;
    private static final int MEMORY_PAGES = 8192; // Where pages are copied to, over and over: more than the caches.

    private final DemandTrace trace;
    private final DemandQueue demands;
    private final AtomicIntegerArray placed;
    private final ByteBuffer memory = ByteBuffer.allocateDirect(MEMORY_PAGES * PAGE);
    private final DemandLatency latency = new DemandLatency();
    private volatile @Nullable Thread waiting;
    private volatile boolean whole;
    private volatile long traceNanos;

    ReplayedGuest(DemandTrace trace, DemandQueue demands) {
        this.trace = trace;
        this.demands = demands;
        placed = new AtomicIntegerArray(trace.frameCount());
    }

    /// Touches what the trace says.
    void run() {
        long start = System.nanoTime();
        for (Touch touch : trace.touches()) {
            think(touch.thinkMicros());
            if (!isPlaced(touch.frame())) {
                await(touch.frame());
            }
        }
        traceNanos = System.nanoTime() - start;
    }

    /// Works as a guest does: the processor is not free meanwhile.
    private static void think(int micros) {
        long end = System.nanoTime() + micros * 1000L;
        while (micros > 0 && System.nanoTime() - end < 0) {
            Thread.onSpinWait();
        }
    }

    private boolean isPlaced(int frame) {
        return whole || placed.getAcquire(frame) != 0;
    }

    private void await(int frame) {
        long start = System.nanoTime();
        waiting = Thread.currentThread();
        try {
            demands.put(new Demand(frame, start));
        } catch (InterruptedException e) {
            throw new IllegalStateException("the replay is interrupted", e);
        }
        while (!isPlaced(frame)) {
            LockSupport.park(this);
        }
        waiting = null;
        latency.record(System.nanoTime() - start);
    }

    /// Nothing is missing any more, the zero pages included.
    void allPlaced() {
        whole = true;
        LockSupport.unpark(waiting);
    }

    @Override
    public void place(long frame, ByteBuffer pages) {
        int count = pages.remaining() / PAGE;
        for (int i = 0; i < count; i++) {
            int at = (int) ((frame + i) % MEMORY_PAGES) * PAGE;
            memory.put(at, pages, pages.position() + i * PAGE, PAGE);
        }
        for (int i = 0; i < count; i++) {
            there((int) frame + i);
        }
        LockSupport.unpark(waiting);
    }

    @Override
    public void placeZeroes(long frame, int count) {
        for (int i = 0; i < count; i++) {
            there((int) frame + i);
        }
        LockSupport.unpark(waiting);
    }

    private void there(int frame) {
        if (placed.getAndSet(frame, 1) != 0) {
            throw new AssertionError("frame " + frame + " is placed a second time");
        }
    }

    @Override
    public void flush() {
        // What is placed is there.
    }

    int touches() {
        return trace.touches().size();
    }

    long waits() {
        return latency.count();
    }

    DemandLatency latency() {
        return latency;
    }

    double traceMillis() {
        return traceNanos / 1e6;
    }

    /// {@return how long the trace takes at the least}
    double thinkMillis() {
        return trace.touches().stream().mapToLong(Touch::thinkMicros).sum() / 1e3;
    }
}
