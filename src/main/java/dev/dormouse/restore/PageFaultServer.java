package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.restore.DemandQueue.Demand;
import dev.dormouse.restore.PageSource.Reading;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashSet;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Gives a restored guest its pages: those that it waits for at once, their neighbours behind them, then its
/// working set, and all the rest in the background, whose size [BackgroundWindow] decides.
///
/// One thread runs it and owns all that is here but the [DemandQueue]. Each turn does a bounded amount of
/// work: one demanded page with its neighbours, or one batch of the set or the background.
///
/// A page that cannot be read, or is not the one that was saved, or for which the host has no memory, is
/// left out and tried again once a second; the guest waits for it if it needs it.
///
/// When all is placed it is checked that all is there, in steps between which demands are served.
final class PageFaultServer {
    private static final long RETRY_NANOS = 1_000_000_000;
    private static final long REPORT_NANOS = 100_000_000;
    private static final long WAIT_NANOS_MIN = 100_000;
    private static final long WAIT_NANOS_MAX = 10_000_000;
    private static final int ZERO_RUN_PAGES = 16; // Aligned 64 KiB: what a guest that allocates touches next.
    private static final int AHEAD_PAGES = 16; // Some 30 us, for which a demand may have to wait.
    private static final int AUDIT_FRAMES = 16 << 10; // Some 0.3 ms, for which a demand may have to wait.

    private final PageSource source;
    private final PagePlacer placer;
    private final DemandQueue demands;
    private final RestoreListener listener;
    private final RestoreOptions options;
    private final PlacementAccount account;
    private final LongSupplier clock;
    private final DemandLatency latency = new DemandLatency();
    private final LinkedHashSet<Integer> failedGroups = new LinkedHashSet<>();
    private final LinkedHashSet<Long> failedDemands = new LinkedHashSet<>();
    private final WorkingSetTrial workingSet;
    private final PageSource.FrameList ahead;
    private final long startNanos;
    private BackgroundWindow window;
    private int nextAhead;
    private long placedAhead;
    private boolean hurrying;
    private int nextGroup;
    private int nextInGroup;
    private long demanded;
    private long demandedZero;
    private long prefetched;
    private final long recovered;
    private long auditNanos;
    private long retryNanos;
    private long reportNanos;
    private boolean stalled;

    /// @param workingSet what goes ahead of the background; told of the demands
    PageFaultServer(
            PageSource source,
            PagePlacer placer,
            DemandQueue demands,
            RestoreListener listener,
            RestoreOptions options,
            WorkingSetTrial workingSet)
            throws IOException {
        this(
                source,
                placer,
                demands,
                listener,
                options,
                workingSet,
                new FrameSet(source.frameCount()),
                System::nanoTime);
    }

    /// @param present frames that are there already; taken over
    /// @param clock in nanoseconds, from any start
    PageFaultServer(
            PageSource source,
            PagePlacer placer,
            DemandQueue demands,
            RestoreListener listener,
            RestoreOptions options,
            WorkingSetTrial workingSet,
            FrameSet present,
            LongSupplier clock)
            throws IOException {
        this.source = source;
        this.placer = placer;
        this.demands = demands;
        this.listener = listener;
        this.options = options;
        this.workingSet = workingSet;
        this.ahead = workingSet.ahead();
        this.account = new PlacementAccount(source, placer, present);
        this.recovered = account.nonZeroPlaced();
        this.clock = clock;
        this.startNanos = clock.getAsLong();
        this.window = new BackgroundWindow(options, startNanos);
        this.reportNanos = startNanos;
    }

    /// Returns when every non-zero page was placed and is there.
    ///
    /// @throws RestoreException if QEMU closed the return path before that
    void run() throws IOException, InterruptedException {
        placeAll();
        audit();
        placeAll(); // What could not be placed again at once.
        if (stalled) { // What had failed was placed because the guest asked for it.
            listener.unstalled();
        }
        listener.progress(progress());
    }

    private void placeAll() throws IOException, InterruptedException {
        while (!account.isComplete()) {
            turn();
        }
    }

    RestoreListener.Progress progress() {
        return new RestoreListener.Progress(
                source.nonZeroCount(), account.nonZeroPlaced(), demanded, demandedZero, prefetched);
    }

    /// {@return what was done, without what only the source and the placer know}
    Outcome outcome() {
        return new Outcome(
                progress(),
                recovered,
                latency,
                TimeUnit.NANOSECONDS.toMillis(auditNanos),
                account.placedAgain(),
                placedAhead,
                workingSet.hitRate());
    }

    /// @param recovered non-zero pages that were there before
    /// @param auditMillis for how long it was checked that all is there
    /// @param placedAgain pages that were not
    /// @param placedAhead pages of the working set that were placed ahead of the background
    /// @param hitRate estimated share of the working set that the guest would have waited for
    record Outcome(
            RestoreListener.Progress progress,
            long recovered,
            DemandLatency latency,
            long auditMillis,
            long placedAgain,
            long placedAhead,
            @Nullable Double hitRate) {
        /// {@return the outcome of a restore in which nobody asked for a page}
        static Outcome ofAll(RestoreListener.Progress progress, long recovered) {
            return new Outcome(progress, recovered, new DemandLatency(), 0, 0, 0, null);
        }
    }

    private void audit() throws IOException {
        long start = clock.getAsLong();
        var missing = new LinkedHashSet<Long>();
        for (long frame = 0; frame < source.frameCount(); frame += AUDIT_FRAMES) {
            account.audit(frame, (int) Math.min(AUDIT_FRAMES, source.frameCount() - frame), missing::add);
            serveWaiting();
        }
        for (long frame : missing) {
            if (!account.isClaimed(frame) && !placeDemanded(frame)) {
                failedDemands.add(frame);
            }
            serveWaiting();
        }
        auditNanos = clock.getAsLong() - start;
    }

    private void serveWaiting() throws IOException {
        for (Demand demand = demands.poll(); demand != null; demand = demands.poll()) {
            serve(demand);
        }
    }

    private void turn() throws IOException, InterruptedException {
        listener.placed(account.nonZeroPlaced(), source.nonZeroCount());
        Demand demand = demands.poll();
        long now = clock.getAsLong();
        if (demand == null) {
            if (demands.isClosed()) {
                throw closedEarly();
            }
            report(now);
            retryFailed(now);
            if (nextAhead < ahead.size()) {
                placeAhead();
                return;
            }
            int pages = window.pages(now);
            if (pages > 0 && placeBackground(pages, now)) {
                return;
            }
            long waitNanos = pages > 0 ? WAIT_NANOS_MAX : window.shutNanos(now);
            demand = demands.poll(Math.clamp(waitNanos, WAIT_NANOS_MIN, WAIT_NANOS_MAX));
        }
        if (demand != null) {
            serve(demand);
            window.onDemand(clock.getAsLong());
        }
    }

    private RestoreException closedEarly() {
        String message = "return path: closed by QEMU after %d of %d pages, see the log of QEMU"
                .formatted(account.nonZeroPlaced(), source.nonZeroCount());
        return demands.failure() == null
                ? new RestoreException(message)
                : new RestoreException(message, demands.failure());
    }

    /// Answers one demand. Asking twice for a page is normal: the second thread that touches it asks too,
    /// and a request may cross its answer.
    private void serve(Demand demand) throws IOException {
        long frame = demand.frame();
        if (account.isClaimed(frame)) {
            return;
        }
        if (answer(frame)) {
            latency.record(clock.getAsLong() - demand.arrivalNanos());
            placeAround(frame);
        } else {
            failedDemands.add(frame);
        }
    }

    /// {@return whether the page could be placed}
    private boolean answer(long frame) throws IOException {
        if (source.isZero(frame)) {
            if (!placeZero(frame)) {
                return false;
            }
            placer.flush();
            demandedZero++;
            return true;
        }
        if (!placeDemanded(frame)) {
            return false;
        }
        demanded++;
        workingSet.onDemand(frame, clock.getAsLong() - startNanos);
        return true;
    }

    private void placeAround(long frame) throws IOException {
        if (source.isZero(frame)) {
            placeZeroRun(frame);
        } else if (options.neighbourPages() > 0) {
            placeNeighbours(frame);
        }
    }

    private boolean placeDemanded(long frame) throws IOException {
        ByteBuffer page = tryRead(frame, 1, Reading.DEMAND);
        if (page == null || tryPlace(frame, page) == 0) {
            return false;
        }
        placer.flush(); // The guest must not wait until the neighbours are ready, too.
        return true;
    }

    private boolean placeZero(long frame) throws IOException {
        try {
            account.placeZero(frame);
            return true;
        } catch (NotPlacedException e) {
            stall(e);
            return false;
        }
    }

    private void placeZeroRun(long frame) throws IOException {
        long start = frame - frame % ZERO_RUN_PAGES;
        long end = Math.min(start + ZERO_RUN_PAGES, source.frameCount());
        boolean placing = true;
        for (long other = start; other < end && placing; other++) {
            placing = !source.isZero(other) || account.isClaimed(other) || placeZero(other);
        }
        placer.flush();
    }

    /// Places the pages that were read together with the demanded one: they are at hand, and the guest is
    /// likely to want them.
    private void placeNeighbours(long frame) throws IOException {
        PageSource.FrameList frames = source.neighbours(frame, options.neighbourPages());
        for (int i = 0; i < frames.size(); ) {
            i += Math.max(1, prefetch(frames, i, frames.size(), Reading.DEMAND));
        }
        placer.flush();
    }

    /// Places some of the working set. The guest is about to ask for it, so nothing rests in between.
    private void placeAhead() throws IOException {
        int pages = 0;
        while (pages < AHEAD_PAGES && nextAhead < ahead.size()) {
            int end = Math.min(ahead.size(), nextAhead + AHEAD_PAGES - pages);
            int done = prefetch(ahead, nextAhead, end, Reading.DEMAND);
            nextAhead += Math.max(1, done);
            pages += Math.max(1, done);
            placedAhead += done;
        }
        placer.flush();
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
                int done = prefetch(frames, nextInGroup, end, Reading.BACKGROUND);
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
    private int prefetch(PageSource.FrameList frames, int index, int end, Reading reading) throws IOException {
        long frame = frames.get(index);
        int wanted = 0;
        while (index + wanted < end
                && frames.get(index + wanted) == frame + wanted
                && !account.isClaimed(frame + wanted)
                && (reading == Reading.BACKGROUND || !workingSet.isHeldBack(frame + wanted))) {
            wanted++;
        }
        if (wanted == 0) {
            return 0;
        }
        ByteBuffer pages = tryRead(frame, wanted, reading);
        int count = pages == null ? 0 : pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        int done = pages == null ? 0 : tryPlace(frame, pages);
        if (done == 0 || done < count) {
            failedGroups.add(source.group(frame));
        }
        prefetched += done;
        return done;
    }

    /// {@return the page, or null if it cannot be served now}
    private @Nullable ByteBuffer tryRead(long frame, int countMax, Reading reading) {
        try {
            return source.read(frame, countMax, reading);
        } catch (IOException e) {
            stall(e);
            return null;
        }
    }

    /// {@return the pages that were placed, all unless the host has no memory for them}
    private int tryPlace(long frame, ByteBuffer pages) throws IOException {
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        try {
            account.place(frame, pages);
            return count;
        } catch (NotPlacedException e) {
            stall(e);
            return e.placedPages();
        }
    }

    /// Only the first failure since the last retry is told, and only it sets the time of the next retry:
    /// a background that fails again and again must not put off what the guest waits for.
    private void stall(IOException reason) {
        if (!stalled) {
            stalled = true;
            retryNanos = clock.getAsLong() + RETRY_NANOS;
            listener.stalled(reason.getMessage() == null ? reason.toString() : reason.getMessage());
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
            retryDemand(failedDemands.removeFirst());
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

    private void retryDemand(long frame) throws IOException {
        if (account.isClaimed(frame)) {
            return;
        }
        if (answer(frame)) {
            placeAround(frame);
        } else {
            failedDemands.add(frame);
        }
    }

    private void retryGroup(PageSource.FrameList frames) throws IOException {
        for (int i = 0; i < frames.size() && !stalled; ) {
            i += Math.max(1, prefetch(frames, i, frames.size(), Reading.BACKGROUND));
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
