package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.LONG;
import static dev.dormouse.bench.BenchEngine.VM;

import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.SuspendResult;
import dev.dormouse.qmp.QemuVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// One state of one VM, saved in every way that is compared: by QEMU itself into files, by Dormouse into an
/// image that is kept. Each restore is of a clone on overlays of its own, which are thrown away, so that all
/// of them begin with the same memory and the same disks.
///
/// The guest is stopped for each save and runs for some milliseconds between two of them; it has synced its
/// disk before, and writes nothing to it.
final class RestoreState {
    static final long SEED = 42;
    static final String PATTERN = "pattern";
    private static final int BASELINE_SECONDS = 5;
    private static final String WORKING_SET = "working-set";

    private final BenchEngine bench;
    private final Path disk;
    private final SuspendResult suspended;
    private final Map<RestoreStrategy, Path> saves;
    private final double baseline;
    private final Map<String, Object> facts;

    private RestoreState(
            BenchEngine bench,
            Path disk,
            SuspendResult suspended,
            Map<RestoreStrategy, Path> saves,
            double baseline,
            Map<String, Object> facts) {
        this.bench = bench;
        this.disk = disk;
        this.suspended = suspended;
        this.saves = saves;
        this.baseline = baseline;
        this.facts = facts;
    }

    /// Boots a guest, fills its memory, measures its normal rate, saves it.
    static RestoreState make(BenchEngine bench, RestoreBenchOptions options, int workingSetMebibytes)
            throws IOException, InterruptedException {
        Engine engine = bench.engine;
        GuestImage guest = options.fileMebibytes() == 0
                ? GuestImage.locate()
                : GuestImage.locate(options.fileMebibytes() - GuestImage.WORK_MEBIBYTES, 0);
        engine.create(GuestVm.withoutSandbox(GuestVm.request(guest, VM, options.memory()))
                .withMemoryBackend(options.memoryBackend()));
        engine.start(VM, false);
        double baseline;
        double spread;
        try (GuestProbe probe = bench.probe()) {
            fill(probe, options, workingSetMebibytes);
            WorkRate rate = observe(probe);
            baseline = rate.baseline(BASELINE_SECONDS)
                    .orElseThrow(() -> new ProbeException("probe: reported no work, its work loop must be running"));
            spread = WorkRate.quantile(rate.windows(0, Long.MAX_VALUE), 0.05) / baseline;
        }
        Map<RestoreStrategy, Path> saves = save(bench, options.strategies());
        SuspendResult suspended = engine.suspend(VM, OperationListener.NONE, new Cancellation());
        var facts = new LinkedHashMap<String, Object>();
        facts.put("memory", options.memory());
        facts.put("memoryBackend", options.memoryBackend());
        facts.put("workingSetMebibytes", workingSetMebibytes);
        facts.put("patternMebibytes", options.patternMebibytes());
        facts.put("entropyPercent", RestoreBenchOptions.ENTROPY_PERCENT);
        facts.put("fileMebibytes", options.fileMebibytes());
        facts.put("nonZeroBytes", suspended.nonZeroBytes());
        facts.put("imageBytes", suspended.imageBytes());
        for (var save : saves.entrySet()) {
            facts.put(save.getKey().text() + "Bytes", PageCache.allocatedBytes(save.getValue()));
        }
        facts.put("pages", engine.images().inspect(Path.of(suspended.file())).pages());
        facts.put("baselineRate", Math.round(baseline));
        facts.put("baselineSpread", spread);
        return new RestoreState(bench, guest.disk(), suspended, saves, baseline, facts);
    }

    private static void fill(GuestProbe probe, RestoreBenchOptions options, int workingSetMebibytes)
            throws IOException, InterruptedException {
        probe.ping("booted", LONG);
        if (options.fileMebibytes() == 0) {
            probe.readSome(options.patternMebibytes() / 2, LONG);
        } else {
            probe.read(LONG);
        }
        probe.fill(PATTERN, SEED, options.patternMebibytes(), RestoreBenchOptions.ENTROPY_PERCENT, LONG);
        probe.work(workingSetMebibytes, LONG);
        probe.sync(LONG);
    }

    /// Watches the undisturbed guest; the first two seconds warm it up.
    static WorkRate observe(GuestProbe probe) throws InterruptedException {
        Thread.sleep(2000);
        long from = System.nanoTime();
        Thread.sleep(1000L * BASELINE_SECONDS);
        return WorkRate.of(probe.reportsSince(from));
    }

    private static Map<RestoreStrategy, Path> save(BenchEngine bench, List<RestoreStrategy> strategies)
            throws IOException {
        QemuVersion version = bench.engine.tools().qemu().version();
        var saves = new EnumMap<RestoreStrategy, Path>(RestoreStrategy.class);
        for (RestoreStrategy strategy : strategies) {
            if (strategy.isStock() && strategy.isPossible(version)) {
                Path file = bench.folder.resolve(strategy.text() + ".save");
                new StockQemu(bench.engine, VM, file, strategy.means()).saveAndGoOn(OwnQemus.of(bench.engine, VM));
                saves.put(strategy, file);
            }
        }
        return saves;
    }

    double baseline() {
        return baseline;
    }

    long nonZeroBytes() {
        return suspended.nonZeroBytes();
    }

    /// {@return what every line of samples says of the state}
    Map<String, Object> facts() {
        return facts;
    }

    /// {@return QEMU's own file for a strategy that is QEMU's own}
    Path save(RestoreStrategy strategy) {
        return java.util.Objects.requireNonNull(saves.get(strategy), "the strategy was not asked for");
    }

    /// Makes a suspended VM of the image.
    ///
    /// @param vm its name
    void makeClone(String vm, RestoreStrategy strategy) throws IOException {
        bench.engine.restoreAs(suspended.image(), vm);
        Path known = strategy.needsWorkingSet()
                ? bench.folder.resolve(WORKING_SET)
                : bench.engine.home().vm(VM).resolve(WORKING_SET);
        if (strategy.knowsItsCapture() && Files.exists(known)) {
            Files.copy(known, bench.engine.home().vm(vm).resolve(WORKING_SET), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /// Keeps what the restore of a clone has learnt, for all restores with a known working set.
    void learnFrom(String vm) throws IOException {
        Path learnt = bench.engine.home().vm(vm).resolve(WORKING_SET);
        if (Files.exists(learnt)) {
            Files.copy(learnt, bench.folder.resolve(WORKING_SET), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /// {@return all that any of the strategies reads of this state: image, save files, disks}
    List<Path> files() throws IOException {
        var files = new ArrayList<Path>(saves.values());
        files.add(Path.of(suspended.file()));
        files.add(disk);
        try (Stream<Path> disks = Files.walk(bench.engine.home().vm(VM).resolve("disks"))) {
            disks.filter(Files::isRegularFile).forEach(files::add);
        }
        return files;
    }

    /// {@return what one strategy reads of it}
    List<Path> files(RestoreStrategy strategy) {
        return strategy.isStock() ? List.of(save(strategy)) : List.of(Path.of(suspended.file()), disk);
    }
}
