package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.restore.DemandQueue.Demand;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashSet;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Gives a restored guest its pages: those that it waits for at once, their neighbours behind them, and
/// all the rest in the background, whose size [BackgroundWindow] decides.
///
/// One thread runs it and owns all that is here but the [DemandQueue]. Each turn does a bounded amount of
/// work: one demanded page with its neighbours, or one batch of the background.
///
/// A page that cannot be read, or is not the one that was saved, is left out and tried again once a
/// second; the guest waits for it if it needs it.
final class PageFaultServer {
    private static final long RETRY_NANOS = 1_000_000_000;
    private static final long REPORT_NANOS = 100_000_000;
    private static final long WAIT_NANOS_MIN = 100_000;
    private static final long WAIT_NANOS_MAX = 10_000_000;
    private static final int ZERO_RUN_PAGES = 16; // Aligned 64 KiB: what a guest that allocates touches next.

    private final PageSource source;
    private final PagePlacer placer;
    private final DemandQueue demands;
    private final RestoreListener listener;
    private final RestoreOptions options;
    private final FrameSet placed;
    private final LongSupplier clock;
    private final LinkedHashSet<Integer> failedGroups = new LinkedHashSet<>();
    private final LinkedHashSet<Long> failedDemands = new LinkedHashSet<>();
    private BackgroundWindow window;
    private boolean hurrying;
    private int nextGroup;
    private int nextInGroup;
    private long demanded;
    private long demandedZero;
    private long prefetched;
    private final long recovered;
    private long retryNanos;
    private long reportNanos;
    private boolean stalled;

    PageFaultServer(
            PageSource source, PagePlacer placer, DemandQueue demands, RestoreListener listener, RestoreOptions options)
            throws IOException {
        this(source, placer, demands, listener, options, new FrameSet(source.frameCount()), System::nanoTime);
    }

    /// @param present frames that are there already; taken over
    /// @param clock in nanoseconds, from any start
    PageFaultServer(
            PageSource source,
            PagePlacer placer,
            DemandQueue demands,
            RestoreListener listener,
            RestoreOptions options,
            FrameSet present,
            LongSupplier clock)
            throws IOException {
        this.source = source;
        this.placer = placer;
        this.demands = demands;
        this.listener = listener;
        this.options = options;
        this.placed = present;
        this.recovered = countNonZero(present);
        this.clock = clock;
        this.window = new BackgroundWindow(options, clock.getAsLong());
        this.reportNanos = clock.getAsLong();
    }

    /// Returns when every non-zero page was placed.
    ///
    /// @throws RestoreException if QEMU closed the return path before that
    void run() throws IOException, InterruptedException {
        while (nonZeroPlaced() < source.nonZeroCount()) {
            turn();
        }
        if (stalled) { // What had failed was placed because the guest asked for it.
            listener.unstalled();
        }
        listener.progress(progress());
    }

    RestoreListener.Progress progress() {
        return new RestoreListener.Progress(source.nonZeroCount(), nonZeroPlaced(), demanded, demandedZero, prefetched);
    }

    private long nonZeroPlaced() {
        return recovered + demanded + prefetched;
    }

    private long countNonZero(FrameSet present) throws IOException {
        long count = 0;
        for (long frame = 0; present.size() > 0 && frame < source.frameCount(); frame++) {
            if (present.contains(frame) && !source.isZero(frame)) {
                count++;
            }
        }
        return count;
    }

    private void turn() throws IOException, InterruptedException {
        Demand demand = demands.poll();
        long now = clock.getAsLong();
        if (demand == null) {
            if (demands.isClosed()) {
                throw closedEarly();
            }
            report(now);
            retryFailed(now);
            int pages = window.pages(now);
            if (pages > 0 && placeBackground(pages, now)) {
                return;
            }
            long waitNanos = pages > 0 ? WAIT_NANOS_MAX : window.shutNanos(now);
            demand = demands.poll(Math.clamp(waitNanos, WAIT_NANOS_MIN, WAIT_NANOS_MAX));
        }
        if (demand != null) {
            serve(demand.frame());
            window.onDemand(clock.getAsLong());
        }
    }

    private RestoreException closedEarly() {
        String message = "return path: closed by QEMU after %d of %d pages, see the log of QEMU"
                .formatted(nonZeroPlaced(), source.nonZeroCount());
        return demands.failure() == null
                ? new RestoreException(message)
                : new RestoreException(message, demands.failure());
    }

    /// Answers one demand. Asking twice for a page is normal: the second thread that touches it asks too,
    /// and a request may cross its answer.
    private void serve(long frame) throws IOException {
        if (placed.contains(frame)) {
            return;
        }
        if (source.isZero(frame)) {
            demandedZero++;
            placeZeroRun(frame);
            return;
        }
        ByteBuffer page = tryRead(frame, 1);
        if (page == null) {
            failedDemands.add(frame);
            return;
        }
        placed.add(frame);
        demanded++;
        placer.place(frame, page);
        placer.flush(); // The guest must not wait until the neighbours are ready, too.
        placeNeighbours(frame);
    }

    private void placeZeroRun(long frame) throws IOException {
        placed.add(frame);
        placer.placeZero(frame);
        long start = frame - frame % ZERO_RUN_PAGES;
        long end = Math.min(start + ZERO_RUN_PAGES, source.frameCount());
        for (long other = start; other < end; other++) {
            if (source.isZero(other) && placed.add(other)) {
                placer.placeZero(other);
            }
        }
        placer.flush();
    }

    /// Places the pages that were decompressed together with the demanded one: they are at hand, and the
    /// guest is likely to want them.
    private void placeNeighbours(long frame) throws IOException {
        PageSource.FrameList frames = source.frames(source.group(frame));
        int size = frames.size();
        int first = Math.max(0, indexOf(frames, frame) - options.neighbourPages() / 2);
        int end = Math.min(size, first + options.neighbourPages());
        while (first < end) {
            first += Math.max(1, prefetch(frames, first, end));
        }
        placer.flush();
    }

    private static int indexOf(PageSource.FrameList frames, long frame) {
        int low = 0;
        int high = frames.size() - 1;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (frames.get(middle) < frame) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }

    /// {@return false if nothing could be placed: nothing is left, or it cannot be read}
    private boolean placeBackground(int pagesMax, long startNanos) throws IOException {
        int pages = 0;
        while (pages < pagesMax && nextGroup < source.groupCount()) {
            PageSource.FrameList frames = source.frames(nextGroup);
            if (nextInGroup >= frames.size()) {
                nextGroup++;
                nextInGroup = 0;
            } else {
                int end = Math.min(frames.size(), nextInGroup + pagesMax - pages);
                int done = prefetch(frames, nextInGroup, end);
                pages += done;
                nextInGroup += Math.max(1, done);
                if (failedGroups.contains(nextGroup)) {
                    nextGroup++; // The rest of it comes with the retry.
                    nextInGroup = 0;
                    break; // Where one read fails the next one may, and may take long to do so.
                }
            }
        }
        if (pages == 0) {
            return false;
        }
        placer.flush();
        window.onPlaced(pages, startNanos, clock.getAsLong());
        return true;
    }

    /// Places the frame at an index of the list and those that follow it without a gap, in the guest's
    /// memory and in the source, before the end of the range.
    ///
    /// @return the number of frames placed; 0 if that at the index was there already, or cannot be served
    private int prefetch(PageSource.FrameList frames, int index, int end) throws IOException {
        long frame = frames.get(index);
        int wanted = 0;
        while (index + wanted < end
                && frames.get(index + wanted) == frame + wanted
                && !placed.contains(frame + wanted)) {
            wanted++;
        }
        if (wanted == 0) {
            return 0;
        }
        ByteBuffer pages = tryRead(frame, wanted);
        if (pages == null) {
            failedGroups.add(source.group(frame));
            return 0;
        }
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        for (int i = 0; i < count; i++) {
            placed.add(frame + i);
        }
        prefetched += count;
        placer.place(frame, pages);
        return count;
    }

    /// {@return the page, or null if it cannot be served now}
    ///
    /// Only the first failure since the last retry is told, and only it sets the time of the next retry:
    /// a background that fails again and again must not put off what the guest waits for.
    private @Nullable ByteBuffer tryRead(long frame, int countMax) {
        try {
            return source.read(frame, countMax);
        } catch (IOException e) {
            if (!stalled) {
                stalled = true;
                retryNanos = clock.getAsLong() + RETRY_NANOS;
                listener.stalled(e.getMessage() == null ? e.toString() : e.getMessage());
            }
            return null;
        }
    }

    /// Tries again what failed: the demands, then one group, so that new demands do not wait for all of
    /// them. When that went well the next turn goes on.
    private void retryFailed(long now) throws IOException {
        if (!stalled || now - retryNanos < 0) {
            return;
        }
        stalled = false;
        for (int left = failedDemands.size(); left > 0 && !stalled; left--) {
            serve(failedDemands.removeFirst());
        }
        if (!stalled && !failedGroups.isEmpty()) {
            retryGroup(source.frames(failedGroups.removeFirst()));
        }
        boolean allPlaced = failedDemands.isEmpty() && failedGroups.isEmpty();
        if (allPlaced) {
            listener.unstalled();
        }
        stalled = !allPlaced;
    }

    private void retryGroup(PageSource.FrameList frames) throws IOException {
        for (int i = 0; i < frames.size() && !stalled; ) {
            i += Math.max(1, prefetch(frames, i, frames.size()));
        }
        placer.flush();
    }

    private void report(long now) {
        if (now - reportNanos < 0) {
            return;
        }
        reportNanos = now + REPORT_NANOS;
        listener.progress(progress());
        if (!hurrying && listener.hurry()) {
            hurrying = true;
            window = new BackgroundWindow(options.unthrottled(), now - TimeUnit.SECONDS.toNanos(1));
        }
    }
}
