package dev.dormouse.daemon;

import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/// Gives back what work has left of memory outside of the heap, once the daemon rests. Pages of guests go through
/// buffers there, which are free only when the whole heap was looked through; a heap as small as this one fills too
/// slowly for that to happen by itself. It stops the process for a tenth of a second or less, when no guest waits for a
/// page. For one thread.
final class SpareMemory {
    private static final long WORTHWHILE_BYTES = 16 << 20;
    private static final int RESTS = 5;

    private final BooleanSupplier resting;
    private final LongSupplier usedBytes;
    private final Runnable collection;
    private long leftBytes; // What was used by those who need it.
    private int rests;

    /// @param resting whether nothing is under way
    SpareMemory(BooleanSupplier resting) {
        this(resting, directBytes(), System::gc);
    }

    /// @param usedBytes how much memory buffers have outside of the heap
    /// @param collection frees those that nobody needs, perhaps some time later
    SpareMemory(BooleanSupplier resting, LongSupplier usedBytes, Runnable collection) {
        this.resting = resting;
        this.usedBytes = usedBytes;
        this.collection = collection;
    }

    private static LongSupplier directBytes() {
        BufferPoolMXBean direct = ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .filter(pool -> pool.getName().equals("direct"))
                .findFirst()
                .orElseThrow();
        return direct::getMemoryUsed;
    }

    /// Looks whether the daemon rests and there is something to give back; to be called once a second.
    void look() {
        rests = resting.getAsBoolean() ? rests + 1 : 0;
        long used = usedBytes.getAsLong();
        leftBytes = Math.min(leftBytes, used);
        if (rests >= RESTS && used - leftBytes >= WORTHWHILE_BYTES) {
            leftBytes = used; // What is freed shows in the next looks.
            collection.run();
        }
    }
}
