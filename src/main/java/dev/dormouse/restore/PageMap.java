package dev.dormouse.restore;

import java.io.IOException;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;

/// What happens to the pages of a restore, for those who look on: the memory of the guest in at most some thousand
/// cells, each of which counts its pages. The owner thread of the restore writes it, at the cost of one addition for
/// each call; any thread reads it, at any time, also after the end.
public final class PageMap implements AutoCloseable {
    private static final int CELLS_MAX = 16 << 10;

    /// Why a non-zero page was placed.
    public enum Fate {
        /// The guest waited for it.
        DEMANDED,
        /// Earlier restores had shown that the guest would want it.
        WORKING_SET,
        /// Its turn had come, or a neighbour of it was wanted.
        PREFETCHED
    }

    /// Where the pages of the cells were before the restore. Those that are neither zero nor on a disk were in the
    /// image.
    public static final class Origins {
        private final int[] zero;
        private final int[] onDisk;

        private Origins(int cells) {
            zero = new int[cells];
            onDisk = new int[cells];
        }

        /// {@return how many pages of the cell are zero}
        public int zero(int cell) {
            return zero[cell];
        }

        /// {@return how many pages of the cell stand on a disk}
        public int onDisk(int cell) {
            return onDisk[cell];
        }
    }

    private final long frameCount;
    private final int shift;
    private final Map<Fate, AtomicIntegerArray> counts = new EnumMap<>(Fate.class);
    private @Nullable PageSource source; // Guarded by this, as is what follows; null when it cannot be asked any more.
    private @Nullable Origins origins;
    private volatile boolean complete;

    PageMap(PageSource source) {
        this.source = source;
        frameCount = source.frameCount();
        int pagesShift = 0;
        while (frameCount > (long) CELLS_MAX << pagesShift) {
            pagesShift++;
        }
        shift = pagesShift;
        for (Fate fate : Fate.values()) {
            counts.put(fate, new AtomicIntegerArray(cellCount()));
        }
    }

    /// Pages that follow one another were placed.
    void placed(Fate fate, long frame, int count) {
        AtomicIntegerArray cells = cells(fate);
        long at = frame;
        long end = frame + count;
        while (at < end) {
            int cell = (int) (at >>> shift);
            long next = Math.min(end, (long) (cell + 1) << shift);
            cells.setOpaque(cell, cells.getPlain(cell) + (int) (next - at)); // Nobody else writes.
            at = next;
        }
    }

    private AtomicIntegerArray cells(Fate fate) {
        return Objects.requireNonNull(counts.get(fate));
    }

    /// {@return the number of pages of the guest, which are numbered through all of its RAM blocks}
    public long frameCount() {
        return frameCount;
    }

    /// {@return how many pages a cell has; the last one may have fewer}
    public int pagesPerCell() {
        return 1 << shift;
    }

    public int cellCount() {
        return (int) ((frameCount + pagesPerCell() - 1) >>> shift);
    }

    /// {@return how many pages of the cell have had that fate so far}
    public int count(Fate fate, int cell) {
        return cells(fate).getOpaque(cell);
    }

    /// {@return whether nothing will change any more}
    public boolean isComplete() {
        return complete;
    }

    /// {@return where the pages were, found out when somebody asks for the first time; null if the image is closed
    /// by then}
    public synchronized @Nullable Origins origins() throws IOException {
        if (origins == null && source != null) {
            origins = classify(source);
        }
        return origins;
    }

    private Origins classify(PageSource pages) throws IOException {
        var found = new Origins(cellCount());
        for (long frame = 0; frame < frameCount; frame++) {
            int cell = (int) (frame >>> shift);
            if (pages.isZero(frame)) {
                found.zero[cell]++;
            } else if (pages.isOnDisk(frame)) {
                found.onDisk[cell]++;
            }
        }
        return found;
    }

    /// The restore has ended, and its image is about to be closed. Waits for somebody who looks at it.
    @Override
    public void close() {
        complete = true;
        synchronized (this) {
            source = null;
        }
    }
}
