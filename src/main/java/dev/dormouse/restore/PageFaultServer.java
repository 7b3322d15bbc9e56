package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.restore.DemandQueue.Demand;
import dev.dormouse.restore.PageMap.Fate;
import dev.dormouse.restore.PageSource.Reading;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.LinkedHashSet;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// Gives a restored guest its pages: those that it waits for at once, their neighbours behind them, then its
/// working set, and all the rest in the background, whose pace [BackgroundPace] decides.
///
/// One thread runs it and owns all that is here but the [DemandQueue]. Each turn does a bounded amount of
/// work: one demanded page with its neighbours, or one batch of the set or the background.
///
/// A page that cannot be read, or is not the one that was saved, or for which the host has no memory, is
/// left out and tried again once a second; the guest waits for it if it needs it.
///
/// When all is placed it is checked that all is there, in steps between which demands are served.
final class PageFaultServer {
    private static final long REPORT_NANOS = 100_000_000;
    private static final long WAIT_NANOS_MIN = 100_000;
    private static final long WAIT_NANOS_MAX = 10_000_000;
    /// Whatever other guests do: a guest that waits for nothing is to get its memory some time.
    private static final long YIELD_NANOS_MAX = 10_000_000;
    private static final int AHEAD_PAGES = 16; // Some 30 us, for which a demand may have to wait.
    private static final int BACKGROUND_PAGES = 32; // The same, of pages that lie together.
    private static final int AUDIT_FRAMES = 16 << 10; // Some 0.3 ms, for which a demand may have to wait.

    private final PageSource source;
    private final PagePlacer placer;
    private final DemandQueue demands;
    private final RestoreListener listener;
    private final int neighbourPages;
    private final BackgroundPace background;
    private final Object guest = new Object(); // By which the budget, which outlives this, knows it.
    private final long yieldNanos; // After a demand of another guest; also where this one's own is no reason to rest.
    private final PlacementAccount account;
    private final Surroundings surroundings;
    private final LongSupplier clock;
    private final ReadAhead aheadReads;
    private final ReadAhead backgroundReads;
    private final DemandLatency latency = new DemandLatency();
    private final ResponsivenessEstimate responsiveness;
    private final FailedPages failed;
    private final ZeroRuns zeroRuns;
    private final WorkingSetTrial workingSet;
    private final PageSource.FrameList ahead;
    private final long startNanos;
    private int nextAhead;
    private long placedAhead;
    private boolean toldGentle;
    private int nextInGroup;
    private long backgroundNanos;
    private long demanded;
    private long demandedZero;
    private long prefetched;
    private final long there;
    private long auditNanos;
    private long reportNanos;

    /// @param workingSet what goes ahead of the background; told of the demands
    /// @param present frames that are there already; taken over
    PageFaultServer(
            PageSource source,
            PagePlacer placer,
            DemandQueue demands,
            RestoreListener listener,
            RestoreOptions options,
            WorkingSetTrial workingSet,
            FrameSet present,
            Surroundings surroundings)
            throws IOException {
        this.source = source;
        this.placer = placer;
        this.demands = demands;
        this.listener = listener;
        this.neighbourPages = options.neighbourPages();
        this.yieldNanos = options.background().quietNanos();
        this.workingSet = workingSet;
        this.ahead = workingSet.ahead();
        this.account = new PlacementAccount(source, placer, present);
        this.there = account.nonZeroPlaced();
        this.surroundings = surroundings;
        this.clock = surroundings.clock();
        this.failed = new FailedPages(listener, clock);
        this.zeroRuns = new ZeroRuns(source, account, placer, workingSet, failed);
        HostBudget budget = surroundings.budget();
        var plan = new ReadingPlan(source, account, workingSet);
        this.aheadReads = new ReadAhead(source, plan::nextAhead, budget.urgent(), demands::wake);
        this.backgroundReads = new ReadAhead(source, plan::nextInBackground, budget.background(), demands::wake);
        this.startNanos = clock.getAsLong();
        this.responsiveness = new ResponsivenessEstimate(listener::ranNanos, startNanos);
        this.backgroundNanos = startNanos;
        this.background = new BackgroundPace(
                options.background().forPages(source.nonZeroCount()),
                workingSet,
                surroundings,
                backgroundReads,
                startNanos);
        this.reportNanos = startNanos;
    }

    /// Returns when every non-zero page was placed and is there.
    ///
    /// @throws RestoreException if QEMU closed the return path before that
    void run() throws IOException, InterruptedException {
        listener.serving(account.map());
        try (var _ = account.map();
                aheadReads;
                backgroundReads) {
            placeAll();
            workingSet.judge(account::isClaimed); // The guest itself may have come for the last page.
            audit();
            placeAll(); // What could not be placed again at once.
            awaitDevices();
        } finally {
            listener.progress(progress()); // Also where QEMU was ended, as behind a rehearsal.
        }
        responsiveness.end(clock.getAsLong());
        if (failed.isStalled()) { // What had failed was placed because the guest asked for it.
            listener.unstalled();
        }
    }

    /// QEMU's main thread may still load devices and touch a page of zeros. Behind the end of the stream nobody
    /// would answer it, and the thread that ends the migration waits for that one.
    private void awaitDevices() throws IOException, InterruptedException {
        while (demands.isHeld()) {
            turn();
        }
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
    ServingOutcome outcome() {
        return new ServingOutcome(
                progress(),
                there,
                latency,
                responsiveness.nanos(),
                TimeUnit.NANOSECONDS.toMillis(auditNanos),
                account.placedAgain(),
                placedAhead,
                workingSet.hitRate(),
                workingSet.wantedShare());
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
                failed.addDemand(frame);
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
            retry(now);
            if (nextAhead < ahead.size() ? placeAhead() : placeBackground(now)) {
                return;
            }
            demand = demands.poll(Math.clamp(waitNanos(now), WAIT_NANOS_MIN, WAIT_NANOS_MAX));
        }
        if (demand != null) {
            serve(demand);
            long served = clock.getAsLong();
            background.onDemand(served);
            surroundings.budget().onDemand(served, guest);
        }
    }

    private long waitNanos(long now) {
        if (nextAhead < ahead.size()) {
            return WAIT_NANOS_MAX; // Or until it is read.
        }
        long shutNanos = yields(now) ? yieldNanos : background.shutNanos(now);
        return shutNanos == 0 ? WAIT_NANOS_MAX : shutNanos;
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
            long end = clock.getAsLong();
            long nanos = end - demand.arrivalNanos();
            latency.record(nanos);
            responsiveness.stalled(demand.arrivalNanos(), end);
            DemandEvent.record(frame, source.isZero(frame), nanos);
            placeAround(frame);
        } else {
            failed.addDemand(frame);
            responsiveness.waits(demand.arrivalNanos());
        }
    }

    /// {@return whether the page could be placed}
    private boolean answer(long frame) throws IOException {
        if (source.isZero(frame)) {
            if (!zeroRuns.tryPlace(frame, 1)) {
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
            zeroRuns.placeAround(frame);
        } else if (neighbourPages > 0) {
            placeNeighbours(frame);
        }
    }

    private boolean placeDemanded(long frame) throws IOException {
        ByteBuffer page = tryRead(frame, 1, this::readNow);
        if (page == null || tryPlace(Fate.DEMANDED, frame, page) == 0) {
            return false;
        }
        placer.flush(); // The guest must not wait until the neighbours are ready, too.
        return true;
    }

    /// Places the pages around the demanded one, which the guest is likely to want; most were read together with it.
    /// The next demand breaks that off.
    private void placeNeighbours(long frame) throws IOException {
        PageSource.FrameList frames = source.neighbours(frame, neighbourPages);
        for (int i = 0; i < frames.size() && demands.isEmpty(); ) {
            i += Math.max(1, prefetch(Fate.PREFETCHED, frames, i, frames.size(), true, this::readNow));
        }
        placer.flush();
    }

    /// Places some of the working set. The guest is about to ask for it, so nothing rests in between.
    ///
    /// @return false if the next of it is still being read
    private boolean placeAhead() throws IOException {
        int pages = 0;
        while (pages < AHEAD_PAGES && nextAhead < ahead.size()) {
            ReadAhead.Group group = aheadReads.head();
            if (group == null) {
                break;
            }
            int groupEnd = endInGroup(nextAhead, group.number());
            if (nextAhead < groupEnd) {
                int end = Math.min(groupEnd, nextAhead + AHEAD_PAGES - pages);
                int done = prefetch(Fate.WORKING_SET, ahead, nextAhead, end, true, group::pages);
                nextAhead += Math.max(1, done);
                pages += Math.max(1, done);
                placedAhead += done;
            } else {
                aheadReads.advance();
            }
        }
        placer.flush();
        return pages > 0;
    }

    private int endInGroup(int start, int group) throws IOException {
        int end = start;
        while (end < Math.min(ahead.size(), start + AHEAD_PAGES) && source.group(ahead.get(end)) == group) {
            end++;
        }
        return end;
    }

    /// {@return false if nothing was placed: it is not the time for it, nothing is left, or it is not read yet}
    private boolean placeBackground(long now) throws IOException {
        int pagesMax = background.pages(now);
        if (pagesMax == 0 || yields(now)) {
            return false;
        }
        var event = BackgroundEvent.started();
        int pages = 0;
        boolean broken = false;
        while (pages < pagesMax && !broken && demands.isEmpty()) {
            ReadAhead.Group group = backgroundReads.head();
            if (group == null) {
                break;
            }
            PageSource.FrameList frames = source.frames(group.number());
            if (nextInGroup < frames.size()) {
                int end = Math.min(frames.size(), nextInGroup + Math.min(BACKGROUND_PAGES, pagesMax - pages));
                int done = prefetch(Fate.PREFETCHED, frames, nextInGroup, end, false, group::pages);
                pages += done;
                nextInGroup += Math.max(1, done);
                broken = failed.hasGroup(group.number()); // The rest of it comes with the retry.
            }
            if (broken || nextInGroup >= frames.size()) {
                backgroundReads.advance();
                nextInGroup = 0;
            }
        }
        event.end(pages);
        if (pages == 0) {
            return broken;
        }
        placer.flush();
        long end = clock.getAsLong();
        backgroundNanos = end;
        background.onPlaced(pages, now, end);
        return true;
    }

    /// Demands of other guests go before the background of this one.
    private boolean yields(long now) {
        return !background.isHurrying()
                && now - backgroundNanos < YIELD_NANOS_MAX
                && surroundings.budget().isDemandedElsewhere(now, yieldNanos, guest);
    }

    /// Where pages are read from, as [PageSource#read] does.
    @FunctionalInterface
    private interface Reader {
        ByteBuffer read(long frame, int countMax) throws IOException;
    }

    private ByteBuffer readNow(long frame, int countMax) throws IOException {
        return source.read(frame, countMax, Reading.DEMAND);
    }

    /// Places the frame at an index of the list and those that follow it without a gap, in the guest's
    /// memory and in the source, before the end of the range.
    ///
    /// @param soon because the guest is likely to ask for them: then what the trial holds back is left out
    /// @return the number of frames placed; 0 if that at the index was there already, or cannot be served
    private int prefetch(Fate fate, PageSource.FrameList frames, int index, int end, boolean soon, Reader reader)
            throws IOException {
        long frame = frames.get(index);
        int wanted = 0;
        while (index + wanted < end
                && frames.get(index + wanted) == frame + wanted
                && !account.isClaimed(frame + wanted)
                && (!soon || !workingSet.isHeldBack(frame + wanted))) {
            wanted++;
        }
        if (wanted == 0) {
            return 0;
        }
        ByteBuffer pages = tryRead(frame, wanted, reader);
        int count = pages == null ? 0 : pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        int done = pages == null ? 0 : tryPlace(fate, frame, pages);
        if (done == 0 || done < count) {
            failed.addGroup(source.group(frame));
        }
        prefetched += done;
        return done;
    }

    /// {@return the page, or null if it cannot be served now}
    private @Nullable ByteBuffer tryRead(long frame, int countMax, Reader reader) {
        try {
            return reader.read(frame, countMax);
        } catch (IOException e) {
            failed.stall(e);
            return null;
        }
    }

    /// {@return the pages that were placed, all unless the host has no memory for them}
    private int tryPlace(Fate fate, long frame, ByteBuffer pages) throws IOException {
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        try {
            account.place(fate, frame, pages);
            return count;
        } catch (NotPlacedException e) {
            failed.stall(e);
            return e.placedPages();
        }
    }

    private void retry(long now) throws IOException {
        failed.retry(now, this::retryDemand, this::retryGroup);
        if (responsiveness.isWaiting() && !failed.hasDemands()) {
            responsiveness.waitsNoMore(clock.getAsLong());
        }
        responsiveness.passed(now);
    }

    private void retryDemand(long frame) throws IOException {
        if (account.isClaimed(frame)) {
            return;
        }
        if (answer(frame)) {
            placeAround(frame);
        } else {
            failed.addDemand(frame);
        }
    }

    private void retryGroup(long group) throws IOException {
        PageSource.FrameList frames = source.frames((int) group);
        Reader later = (frame, countMax) -> source.read(frame, countMax, Reading.BACKGROUND);
        for (int i = 0; i < frames.size() && !failed.isStalled(); ) {
            i += Math.max(1, prefetch(Fate.PREFETCHED, frames, i, frames.size(), false, later));
        }
        placer.flush();
    }

    private void report(long now) {
        if (now - reportNanos < 0) {
            return;
        }
        reportNanos = now + REPORT_NANOS;
        listener.progress(progress());
        if (background.isGentle() && nextAhead >= ahead.size() && !toldGentle) {
            toldGentle = true;
            listener.gentle();
        }
        background.adapt(now);
        if (!background.isHurrying() && listener.hurry()) {
            workingSet.disturb();
            background.hurry(now);
        }
    }
}
