package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.LONG;

import dev.dormouse.base.HostProcessors;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.ResumeResult;
import dev.dormouse.restore.RestoreReport;
import dev.dormouse.restore.RestoreStep;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// One restore of a [RestoreState] in one way from one kind of storage, watched from outside and from inside of
/// the guest. Times are in milliseconds from the request, by the host's clock.
final class RestoreRun {
    private static final String VM = "run";
    private static final long POLL_MILLIS = 20;
    /// Between two looks at the work rate: each goes through all reports, on a processor that the guest wants. What is
    /// found does not depend on them, for it is told from the times of the reports.
    private static final long LOOK_NANOS = 250_000_000;
    /// How long the guest is watched beyond its last page.
    private static final long AFTERWARDS_NANOS = 1_000_000_000;
    /// A guest that is not as fast as before in this share of the patience after its last page, or in twice the time
    /// for which it must be that, will not become it.
    private static final int SETTLE_SHARE = 4;
    /// A guest without a background that is not as fast as before in this share of the patience will not become it;
    /// one that is need not be watched on, as it may never be complete.
    private static final int WITHOUT_BACKGROUND_SHARE = 2;
    /// From the request on: how much the guest does in it is told, so it is watched for that long at least.
    private static final long WORK_NANOS = 5_000_000_000L;
    private static final long SPAN_NANOS = 500_000_000;
    private static final int SAMPLED_PAGES = 2000;
    /// QEMU's own memory, and what the guest allocates.
    private static final long SPARE_BYTES = 1L << 30;
    private static final Duration SAMPLE_PAUSE = Duration.ofMillis(1);

    private final BenchEngine bench;
    private final Engine engine;
    private final RestoreBenchOptions options;
    private final RestoreState state;
    private final Kind kind;
    private final Map<String, Object> report = new LinkedHashMap<>();
    private final List<Thread> threads = new ArrayList<>();
    private final AtomicLong runningNanos = new AtomicLong();
    private volatile @Nullable Whole whole;
    private volatile boolean over;

    /// What one run measures.
    ///
    /// @param loaded whether the guest touches pages outside of its set, and allocates memory, right after its
    ///     first response
    /// @param verified whether the guest verifies its memory at the end
    record Kind(RestoreStrategy strategy, StorageProfile profile, boolean loaded, boolean verified) {}

    /// When every page was there, and what that had taken until then; the end of the restore, huge pages and merges,
    /// is not in it.
    private record Whole(long nanos, ProcessUse qemu, ProcessUse server) {}

    /// @param readyMillis until QEMU's monitor greeted
    /// @param result of a restore by the engine
    private record Completed(
            Whole whole, double readyMillis, @Nullable ResumeResult result) {}

    RestoreRun(BenchEngine bench, RestoreBenchOptions options, RestoreState state, Kind kind) {
        this.bench = bench;
        this.engine = bench.engine;
        this.options = options;
        this.state = state;
        this.kind = kind;
    }

    /// Does it, and leaves nothing of it.
    ///
    /// @param learn whether the working set that it records is the known one from now on
    /// @return what was measured
    Map<String, Object> run(boolean learn) throws IOException, InterruptedException {
        state.makeClone(VM, kind.strategy());
        Exception failure = null;
        try {
            if (kind.strategy() == RestoreStrategy.DORMOUSE_STANDBY) {
                engine.standby(VM);
            }
            preparePageCache();
            long needed = state.nonZeroBytes() + SPARE_BYTES;
            try (var memory = HostMemory.hold(needed);
                    Throttle _ = Throttle.enter(kind.profile(), state.files())) {
                report.put("hostMemoryGigabytesPerSecond", memory.gigabytesPerSecond());
                restore();
            }
            if (learn) {
                state.learnFrom(VM);
            }
        } catch (IOException | RuntimeException e) {
            failure = e;
            throw e;
        } finally {
            cleanUp(failure);
        }
        return report;
    }

    private void cleanUp(@Nullable Exception failure) throws IOException, InterruptedException {
        try {
            endRestore();
            bench.remove(VM);
        } catch (IOException e) {
            if (failure == null) {
                throw e;
            }
            failure.addSuppressed(e);
        }
    }

    /// Ends also a QEMU that the engine does not know, and the one that it starts in place of another whose guest had
    /// written nothing.
    private void endRestore() throws IOException, InterruptedException {
        long start = System.nanoTime();
        OwnQemus.kill(engine.home().sockets(VM));
        while (threads.stream().anyMatch(Thread::isAlive)) {
            if (System.nanoTime() - start > LONG.toNanos()) {
                throw new ProbeException("vm %s: its restore does not end".formatted(VM));
            }
            Thread.sleep(POLL_MILLIS);
            OwnQemus.kill(engine.home().sockets(VM));
        }
        OwnQemus.kill(engine.home().sockets(VM)); // One that was started since.
    }

    private void preparePageCache() throws IOException {
        if (kind.profile().isCold()) {
            PageCache.evict(state.files());
        } else if (PageCache.residency(state.files(kind.strategy())).share() < 1) {
            PageCache.load(state.files(kind.strategy()));
        }
        PageCache.Residency residency = PageCache.residency(state.files(kind.strategy()));
        report.put("fileBytes", residency.fileBytes());
        report.put("residentBytesBefore", residency.residentBytes());
    }

    private void restore() throws IOException, InterruptedException {
        ProcessUse before = ProcessUse.ofThisProcess();
        HostProcessors processors = HostProcessors.read();
        long request = System.nanoTime();
        FutureTask<Completed> restore = inBackground(() -> complete(request, before));
        try (var pauses = new PauseWatch();
                var watch = new ResumeWatch(
                        engine.home(),
                        VM,
                        request,
                        state.normal().perSecond(),
                        state.normal().windowNanos())) {
            Duration firstResponse = watch.awaitFirstResponse();
            FutureTask<Load> load = kind.loaded() ? inBackground(() -> load(watch.probe())) : null;
            Optional<Duration> responsive = await(watch, request, restore, load);
            report.put("pausedMs", pauses.millis());
            report.put("stolenProcessors", HostProcessors.read().stolenSince(processors));
            put(request, firstResponse, responsive);
            over = whole != null; // The engine need not make huge pages any more.
            putRates(watch, request, responsive, whole); // Before what its end takes.
            // A guest that is never idle may keep a restore without background from its end for ever.
            Completed done = over || restore.isDone() ? result(restore) : null;
            if (done == null) {
                report.put("completeMs", null);
            } else {
                put(request, done);
            }
            if (load != null) {
                put(result(load));
            }
            if (kind.verified()) {
                state.workload().verify(watch.probe());
                report.put("verified", true);
            }
        } catch (IOException e) {
            throw cause(restore, e);
        }
    }

    /// A restore that failed says more than the guest that did not answer because of it.
    private static IOException cause(FutureTask<?> restore, IOException seen) throws InterruptedException {
        if (!restore.isDone()) {
            return seen;
        }
        try {
            result(restore);
            return seen;
        } catch (IOException e) {
            if (!e.equals(seen)) {
                e.addSuppressed(seen);
            }
            return e;
        }
    }

    private Completed complete(long request, ProcessUse before) throws IOException {
        if (kind.strategy().isStock()) {
            StockQemu.Restored restored = new StockQemu(
                            engine,
                            VM,
                            state.save(kind.strategy()),
                            kind.strategy().means())
                    .restore();
            runningNanos.set(request + (long) (restored.runningMillis() * 1e6));
            Whole all = whole(restored.qemu().pid(), before);
            whole = all;
            return new Completed(all, restored.readyMillis(), null);
        }
        ResumeResult result = engine.resume(VM, kind.strategy().options(), new OperationListener() {
            private long qemu;

            @Override
            public void running() {
                runningNanos.set(System.nanoTime());
            }

            @Override
            public void reached(RestoreStep step) {
                try {
                    if (step == RestoreStep.CONNECTED) {
                        qemu = qemu();
                    } else if (step == RestoreStep.CLEAN) {
                        whole = whole(qemu, before);
                    }
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }

            @Override
            public boolean hurry() {
                return over;
            }
        });
        return new Completed(
                Objects.requireNonNull(whole, "a restore that has ended"), (double) result.qemuReadyMillis(), result);
    }

    private long qemu() throws IOException {
        Long pid = engine.status(VM).pid();
        if (pid == null) {
            throw new ProbeException("vm " + VM + ": its QEMU has ended");
        }
        return pid;
    }

    private static Whole whole(long qemu, ProcessUse before) throws IOException {
        return new Whole(
                System.nanoTime(),
                ProcessUse.of(qemu),
                ProcessUse.ofThisProcess().since(before));
    }

    /// What the guest did besides its work loop.
    private record Load(GuestProbe.Touches sampled, GuestProbe.Touches allocated) {}

    private Load load(GuestProbe probe) throws IOException, InterruptedException {
        return new Load(
                probe.sample(LoopWorkload.PATTERN, SAMPLED_PAGES, System.nanoTime(), SAMPLE_PAUSE, LONG),
                probe.touch(options.allocateMebibytes(), LONG));
    }

    /// Waits until the guest is as fast as before, every page is there or nobody brings it, and the load is over.
    private Optional<Duration> await(
            ResumeWatch watch, long request, FutureTask<?> restore, @Nullable FutureTask<?> load)
            throws InterruptedException {
        long patience = options.patience() * 1_000_000_000L * (kind.profile().isThrottled() ? 2 : 1);
        long settleNanos = Math.max(
                options.patience() * 1_000_000_000L / SETTLE_SHARE,
                2 * Responsiveness.holdNanos(state.normal().windowNanos()));
        boolean endless = kind.strategy() == RestoreStrategy.PLAIN_LAZY;
        Optional<Duration> responsive = Optional.empty();
        long looked = request;
        boolean ended = false;
        while (!ended && System.nanoTime() - request < patience) {
            Thread.sleep(POLL_MILLIS);
            long now = System.nanoTime();
            if (responsive.isEmpty() && now - looked > LOOK_NANOS) {
                responsive = watch.timeToResponsiveness();
                looked = now;
            }
            Whole all = whole;
            boolean watched = kind.verified() || now - request > WORK_NANOS;
            boolean complete = all != null && now - all.nanos() > AFTERWARDS_NANOS;
            boolean given = endless && now - request > patience / WITHOUT_BACKGROUND_SHARE;
            boolean failed = all == null && restore.isDone();
            boolean settled = responsive.isPresent() || given || (all != null && now - all.nanos() > settleNanos);
            ended = failed || (watched && settled && (complete || endless) && (load == null || load.isDone()));
        }
        return responsive.isPresent() ? responsive : watch.timeToResponsiveness();
    }

    private void put(long request, Duration firstResponse, Optional<Duration> responsive) {
        double runningMillis = (runningNanos.get() - request) / 1e6;
        report.put("firstResponseMs", firstResponse.toNanos() / 1e6);
        report.put(
                "timeToResponsivenessMs",
                responsive.map(time -> time.toNanos() / 1e6).orElse(null));
        report.put("runningMs", runningMillis);
        // With everything in place: the nonce waits at the guest that begins to run.
        report.put("floorMs", kind.strategy().isEager() ? firstResponse.toNanos() / 1e6 - runningMillis : null);
    }

    private void put(long request, Completed done) {
        double runningMillis = (runningNanos.get() - request) / 1e6;
        // Of what is loaded before the guest runs all is there when it runs.
        double completeMillis = kind.strategy().isStock() ? runningMillis : millis(request, done);
        double seconds = kind.strategy().isEager()
                ? (runningMillis - done.readyMillis()) / 1e3
                : (completeMillis - runningMillis) / 1e3;
        report.put("qemuReadyMs", done.readyMillis());
        report.put("completeMs", completeMillis);
        report.put("placedGigabytesPerSecond", state.nonZeroBytes() / 1e9 / seconds);
        report.put("shareBeforeRun", shareBeforeRun(done.result()));
        report.put("qemuProcessorSeconds", done.whole().qemu().processorSeconds());
        report.put("serverProcessorSeconds", done.whole().server().processorSeconds());
        report.put(
                "readBytes",
                done.whole().qemu().readBytes() + done.whole().server().readBytes());
        if (done.result() != null) {
            put(done.result().report());
            report.put("pagesSkipped", done.result().pagesSkipped());
        }
    }

    /// {@return how much of what is not zero was there before the guest ran}
    private double shareBeforeRun(@Nullable ResumeResult result) {
        return result == null || kind.strategy().isEager()
                ? 1
                : (double) result.report().pagesBeforeRun()
                        / Math.max(1, result.report().nonZeroPages());
    }

    private static double millis(long request, Completed done) {
        ResumeResult result = done.result();
        return result == null ? (done.whole().nanos() - request) / 1e6 : result.completeMillis();
    }

    private void put(RestoreReport restored) {
        report.put("demandedPages", restored.demandedPages());
        report.put("demandedZeroPages", restored.demandedZeroPages());
        report.put("prefetchedPages", restored.prefetchedPages());
        report.put("demandMicrosP50", restored.demandMicrosP50());
        report.put("demandMicrosP99", restored.demandMicrosP99());
        report.put("demandMicrosMax", restored.demandMicrosMax());
        report.put("blockedMs", restored.blockedMillis());
        report.put("responsiveEstimateMs", restored.responsiveMillisEstimate());
        report.put("pagesBeforeRun", restored.pagesBeforeRun());
        report.put("pagesWritten", restored.pagesWritten());
        report.put("workingSetPages", restored.workingSetPages());
        report.put("workingSetHitRate", restored.workingSetHitRate());
        report.put("wantedShare", restored.wantedShare());
        report.put("direct", restored.placement().contains("direct"));
    }

    private void putRates(ResumeWatch watch, long request, Optional<Duration> responsive, @Nullable Whole all)
            throws ProbeException {
        WorkRate rate = watch.rate();
        if (rate.total() == 0) {
            throw new ProbeException("guest: no work was done since the restore, its workload must have ended");
        }
        report.put("operations", rate.total());
        report.put("workRate", watch.shares());
        if (!kind.verified()) { // Such a run is not watched for that long.
            report.put(
                    "workInFiveSeconds",
                    rate.workUntil(request + WORK_NANOS) / state.normal().perSecond());
        }
        long completeNanos = kind.strategy().isEager() ? runningNanos.get() : watchedNanos(all);
        OptionalDouble lowest = responsive.isEmpty()
                ? OptionalDouble.empty()
                : rate.lowest(
                        request + responsive.get().toNanos(), completeNanos, Math.max(SPAN_NANOS, rate.windowNanos()));
        report.put(
                "lowestWorkRate",
                lowest.isPresent() ? lowest.getAsDouble() / state.normal().perSecond() : null);
        report.put("touchesByLatency", touches(watch.probe().reportsSince(request)));
    }

    private static long watchedNanos(@Nullable Whole all) {
        return all == null ? System.nanoTime() : all.nanos();
    }

    /// {@return the touches of the guest's work loop in buckets of a power of two, from the request on}
    private static String touches(List<TimedReport> reports) {
        return reports.size() < 2
                ? ""
                : reports.getLast()
                        .report()
                        .touches()
                        .since(reports.getFirst().report().touches())
                        .toString();
    }

    private void put(Load load) {
        report.put("sampledMs", load.sampled().elapsed().toNanos() / 1e6);
        report.put("sampledByLatency", load.sampled().touches().toString());
        report.put("allocatedMs", load.allocated().elapsed().toNanos() / 1e6);
        report.put("allocatedPageMaxMs", load.allocated().pageMax().toNanos() / 1e6);
        report.put("allocatedByLatency", load.allocated().touches().toString());
    }

    private <T> FutureTask<T> inBackground(Callable<T> call) {
        var task = new FutureTask<>(call);
        threads.add(Thread.ofPlatform().daemon().name("restore-run").start(task));
        return task;
    }

    private static <T> T result(FutureTask<T> task) throws IOException, InterruptedException {
        try {
            return task.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof IOException cause) {
                throw cause;
            }
            throw new IllegalStateException(e.getCause());
        }
    }
}
