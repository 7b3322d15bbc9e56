package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.VM;

import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.Indexes;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.RehearsalResult;
import dev.dormouse.engine.SuspendOptions;
import dev.dormouse.engine.SuspendResult;
import dev.dormouse.image.ImageInspection;
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

/// One state of one VM, saved in every way that is compared: by Dormouse into an image that is kept, and of this,
/// before the guest runs again, by QEMU itself into files. Each restore is of a clone on overlays of its own, which
/// are thrown away, so that all of them begin with the same memory and the same disks.
final class RestoreState {
    private static final String STOCK = "stock";

    private final BenchEngine bench;
    private final Workload workload;
    private final Path disk;
    private final SuspendResult suspended;
    private final Map<RestoreStrategy, Path> saves;
    private final NormalRate normal;
    private final Map<String, Object> facts;

    private RestoreState(
            BenchEngine bench,
            Workload workload,
            Path disk,
            SuspendResult suspended,
            Map<RestoreStrategy, Path> saves,
            NormalRate normal,
            Map<String, Object> facts) {
        this.bench = bench;
        this.workload = workload;
        this.disk = disk;
        this.suspended = suspended;
        this.saves = saves;
        this.normal = normal;
        this.facts = facts;
    }

    /// Boots a guest, lets its workload bring it to the state, measures its normal rate, saves it.
    static RestoreState make(BenchEngine bench, RestoreBenchOptions options, Workload workload)
            throws IOException, InterruptedException {
        Engine engine = bench.engine;
        GuestImage guest = workload.guest();
        engine.create(workload.request(guest).withMemoryBackend(options.memoryBackend()));
        // As a guest that runs for longer than this one has been done: a suspend is not to read the whole disk.
        new Indexes(engine.home(), engine.tools()).build(guest.disk(), false, (_, _, _) -> {}, new Cancellation());
        engine.start(VM, false);
        var facts = new LinkedHashMap<String, Object>();
        facts.put("state", Long.toString(System.currentTimeMillis(), 36)); // Tells it from that of another sitting.
        facts.put("workload", workload.text());
        facts.putAll(workload.facts());
        facts.put("memory", options.memory());
        facts.put("memoryBackend", options.memoryBackend());
        NormalRate normal;
        try (GuestProbe probe = bench.probe()) {
            facts.put("unit", workload.begin(probe));
            normal = NormalRate.observe(probe, workload.observedSeconds());
        }
        facts.putAll(normal.facts());
        if (options.composition()) {
            facts.put("selfContainedImageBytes", selfContained(engine));
        }
        SuspendResult suspended = engine.suspend(VM, OperationListener.NONE, new Cancellation());
        facts.put("nonZeroBytes", suspended.nonZeroBytes());
        facts.put("imageBytes", suspended.imageBytes());
        facts.put("suspendMs", suspended.totalMillis());
        ImageInspection image = engine.images().inspect(Path.of(suspended.file()));
        facts.put("pages", image.pages());
        facts.put("imageParts", image.bytes());
        if (options.rehearsed() && options.strategies().stream().anyMatch(RestoreStrategy::needsWorkingSet)) {
            facts.put("rehearsal", rehearse(bench));
        }
        Map<RestoreStrategy, Path> saves = save(bench, options.strategies(), suspended, facts);
        return new RestoreState(bench, workload, guest.disk(), suspended, saves, normal, facts);
    }

    /// Learns the working set as a daemon does behind a suspend.
    private static Map<String, Object> rehearse(BenchEngine bench) throws IOException {
        RehearsalResult result = bench.engine.rehearse(VM, OperationListener.NONE, new Cancellation());
        // A first restore of this VM is one that knows nothing of it.
        for (String name : List.of(Home.WORKING_SET, Home.WORKING_SET_COPIES)) {
            Path file = bench.engine.home().vm(VM).resolve(name);
            if (Files.exists(file)) {
                Files.move(file, bench.folder.resolve(name), StandardCopyOption.REPLACE_EXISTING);
            }
        }
        return Map.of(
                "ranMs",
                result.ranMillis(),
                "workingSetPages",
                result.workingSetPages(),
                "demandedPages",
                result.demandedPages(),
                "wantedShare",
                result.wantedShare(),
                "copiedPages",
                result.copiedPages(),
                "copiesBytes",
                result.copiesBytes());
    }

    /// {@return the size of an image in which nothing is left to the disk, of a state a moment before the saved one}
    private static long selfContained(Engine engine) throws IOException {
        SuspendResult result =
                engine.checkpoint(VM, new SuspendOptions(true), OperationListener.NONE, new Cancellation());
        engine.images().remove(result.image());
        return result.imageBytes();
    }

    /// Has QEMU save the state by its own means: of the image, so that all ways begin with the same memory and disks.
    private static Map<RestoreStrategy, Path> save(
            BenchEngine bench, List<RestoreStrategy> strategies, SuspendResult suspended, Map<String, Object> facts)
            throws IOException {
        QemuVersion version = bench.engine.tools().qemu().version();
        var saves = new EnumMap<RestoreStrategy, Path>(RestoreStrategy.class);
        Path stream = bench.folder.resolve("state.stream");
        for (RestoreStrategy strategy : strategies) {
            if (strategy.isStock() && strategy.isPossible(version)) {
                if (!Files.exists(stream)) {
                    bench.engine.exportStream(
                            Path.of(suspended.file()), stream, OperationListener.NONE, new Cancellation());
                }
                Path file = bench.folder.resolve(strategy.text() + ".save");
                bench.engine.restoreAs(suspended.image(), STOCK);
                double millis = new StockQemu(bench.engine, STOCK, file, strategy.means()).saveFrom(stream);
                bench.remove(STOCK);
                facts.put(strategy.text() + "SaveMs", millis);
                facts.put(strategy.text() + "Bytes", PageCache.allocatedBytes(file));
                saves.put(strategy, file);
            }
        }
        Files.deleteIfExists(stream);
        return saves;
    }

    NormalRate normal() {
        return normal;
    }

    Workload workload() {
        return workload;
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
    /// @throws IOException also if the strategy needs a working set and no restore has taught one: without it, it
    ///     would be another strategy under this one's name
    void makeClone(String vm, RestoreStrategy strategy) throws IOException {
        Path taught = bench.folder.resolve(Home.WORKING_SET);
        if (strategy.needsWorkingSet() && !Files.exists(taught)) {
            throw new IOException(
                    "vm %s: no working set is known, the restore that was to teach it failed or learnt none"
                            .formatted(vm));
        }
        bench.engine.restoreAs(suspended.image(), vm);
        Path known =
                strategy.needsWorkingSet() ? taught : bench.engine.home().vm(VM).resolve(Home.WORKING_SET);
        if (strategy.knowsItsCapture() && Files.exists(known)) {
            Files.copy(
                    known, bench.engine.home().vm(vm).resolve(Home.WORKING_SET), StandardCopyOption.REPLACE_EXISTING);
        }
        if (strategy.needsWorkingSet() && Files.exists(copies())) {
            // The same file, of which the page cache is emptied.
            Files.createLink(bench.engine.home().vm(vm).resolve(Home.WORKING_SET_COPIES), copies());
        }
    }

    private Path copies() {
        return bench.folder.resolve(Home.WORKING_SET_COPIES);
    }

    /// Keeps what the restore of a clone has learnt, for all restores with a known working set.
    void learnFrom(String vm) throws IOException {
        Path learnt = bench.engine.home().vm(vm).resolve(Home.WORKING_SET);
        if (Files.exists(learnt)) {
            Files.copy(learnt, bench.folder.resolve(Home.WORKING_SET), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /// {@return all that any of the strategies reads of this state: image, save files, disks}
    List<Path> files() throws IOException {
        var files = new ArrayList<Path>(saves.values());
        files.add(Path.of(suspended.file()));
        files.addAll(layers());
        if (Files.exists(copies())) {
            files.add(copies());
        }
        return files;
    }

    /// {@return what one strategy reads of it before it is complete}
    List<Path> files(RestoreStrategy strategy) throws IOException {
        var files = new ArrayList<Path>();
        if (strategy.isStock()) {
            files.add(save(strategy));
        } else {
            files.add(Path.of(suspended.file()));
            files.addAll(layers());
            if (strategy.needsWorkingSet() && Files.exists(copies())) {
                files.add(copies());
            }
        }
        return files;
    }

    private List<Path> layers() throws IOException {
        var layers = new ArrayList<Path>();
        layers.add(disk);
        try (Stream<Path> disks = Files.walk(bench.engine.home().vm(VM).resolve("disks"))) {
            disks.filter(Files::isRegularFile).forEach(layers::add);
        }
        return layers;
    }
}
