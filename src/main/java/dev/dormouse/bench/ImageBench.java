package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.VM;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.IndexReport;
import dev.dormouse.engine.Indexes;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.SuspendOptions;
import dev.dormouse.engine.SuspendResult;
import dev.dormouse.image.ImageInspection;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import dev.dormouse.qmp.QemuProcess;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// Measures images: what they hold with and without the pages that the disk holds, how long a suspend and the
/// pause of a checkpoint take beside QEMU's own save, how fast a disk is indexed and a single page is read. A
/// program of its own, `./dev bench image`; prints a line of JSON for each round.
///
/// The guest's memory is two thirds page cache of incompressible files and one third pages of an anonymous
/// pattern, a quarter of whose bytes do not compress (`cache`), or that of the demo (`demo`), or that of a full
/// Debian that has compiled something (`debian`; nothing verifies the memory of this one).
///
/// Arguments: rounds (3), guest (`cache`), memory (`4G`), back end (`shared`), path of QEMU; all optional. The
/// first round warms the JVM up, as in a daemon, and says so.
public final class ImageBench {
    private static final long SEED = 42;
    private static final int READS = 20_000;

    private final BenchEngine bench;
    private final Engine engine;
    private final Map<String, Object> report = new LinkedHashMap<>();

    private ImageBench(BenchEngine bench) {
        this.bench = bench;
        this.engine = bench.engine;
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        int rounds = Integer.parseInt(argument(arguments, 0, "3"));
        for (int round = 0; round <= rounds; round++) {
            try (var bench = new BenchEngine(arguments.length > 4 ? Path.of(arguments[4]) : null)) {
                var image = new ImageBench(bench);
                image.report.put("warmUp", round == 0);
                image.run(
                        argument(arguments, 1, "cache"),
                        argument(arguments, 2, "4G"),
                        argument(arguments, 3, "shared"),
                        round == 0);
                System.out.println(Json.write(image.report));
            }
        }
    }

    private static String argument(String[] arguments, int index, String otherwise) {
        return arguments.length > index ? arguments[index] : otherwise;
    }

    private void run(String guestName, String memory, String backend, boolean withRecall)
            throws IOException, InterruptedException {
        BenchGuest guest = BenchGuest.named(guestName, bench);
        report.put("guest", guestName);
        report.put("memoryBackend", backend);
        report.put("qemuVersion", engine.tools().qemu().version().full());
        engine.create(guest.request(memory).withMemoryBackend(backend));
        index(guest.disk());
        long start = System.nanoTime();
        engine.start(VM, false);
        guest.prepare();
        report.put("guestReadyMillis", (System.nanoTime() - start) / 1e6);
        selfContained();
        checkpoint();
        suspend("suspend", withRecall);
        resume();
        PageCache.evict(List.of(guest.disk()));
        suspend("suspendCold", false);
        resume();
        guest.verify();
        stock();
    }

    private void index(Path disk) throws IOException {
        IndexReport.IndexedLayer layer = new Indexes(engine.home(), engine.tools())
                .build(disk, false, (_, _, _) -> {}, new Cancellation())
                .layers()
                .getFirst();
        report.put("indexedBytes", layer.readBytes());
        report.put("indexGigabytesPerSecond", layer.gigabytesPerSecond());
        report.put("indexBytes", layer.indexBytes());
    }

    private void selfContained() throws IOException {
        SuspendResult result =
                engine.checkpoint(VM, new SuspendOptions(true), OperationListener.NONE, new Cancellation());
        report.put("selfContainedImageBytes", result.imageBytes());
        engine.images().remove(result.image());
    }

    private void checkpoint() throws IOException {
        SuspendResult result = engine.checkpoint(VM, OperationListener.NONE, new Cancellation());
        report.put("checkpointMillis", result.totalMillis());
        report.put("checkpointPausedMillis", result.pausedMillis());
        report.put("checkpointImageBytes", result.imageBytes());
        engine.images().remove(result.image());
    }

    private void suspend(String name, boolean withRecall) throws IOException {
        System.gc(); // What earlier steps left is not this one's.
        BenchEngine.resetPeakHeap();
        SuspendResult result = engine.suspend(VM, OperationListener.NONE, new Cancellation());
        report.put(name + "Millis", result.totalMillis());
        report.put(name + "PausedMillis", result.pausedMillis());
        report.put(name + "HeapBytesPeak", BenchEngine.peakHeapBytes());
        report.put(name + "ImageBytes", result.imageBytes());
        if (!name.equals("suspend")) {
            return;
        }
        Path file = Path.of(result.file());
        ImageInspection image = engine.images().inspect(file);
        report.put("nonZeroBytes", result.nonZeroBytes());
        report.put("pages", image.pages());
        report.put("bytes", image.bytes());
        reads(file);
        if (withRecall) {
            report.put("onDiskPagesByBruteForce", new OnDiskOracle(bench).count(file));
        }
    }

    private void resume() throws IOException {
        var unthrottled = new ResumeOptions(
                false, false, false, ResumeOptions.DEFAULT.restore().unthrottled());
        engine.resume(VM, unthrottled, OperationListener.NONE);
    }

    /// Reads stored pages one by one, as a demand does, from the page cache.
    private void reads(Path file) throws IOException {
        var random = new Random(SEED);
        var micros = new double[READS];
        try (ImageReader image = ImageReader.open(file);
                var extent = image.newExtentBuffer()) {
            report.putAll(DiskRuns.of(image));
            long[] stored = stored(image);
            for (int i = 0; i < 2 * READS; i++) { // The first half warms up.
                long frame = stored[random.nextInt(stored.length)];
                long start = System.nanoTime();
                image.readExtent(image.extentIndex(frame), extent);
                image.verifyPage(frame, extent.page(image.slot(frame)));
                micros[i % READS] = (System.nanoTime() - start) / 1e3;
            }
        }
        Arrays.sort(micros);
        report.put("pageReadMicrosMedian", micros[READS / 2]);
        report.put("pageReadMicros99", micros[READS * 99 / 100]);
    }

    private static long[] stored(ImageReader image) throws IOException {
        var frames = new long[Math.toIntExact(image.frameCount())];
        int count = 0;
        for (long frame = image.nextNonZero(0); frame < image.frameCount(); frame = image.nextNonZero(frame + 1)) {
            if (image.pageClass(frame) == PageClass.STORED) {
                frames[count++] = frame;
            }
        }
        return Arrays.copyOf(frames, count);
    }

    private void stock() throws IOException {
        Path file = bench.folder.resolve("stock.save");
        QemuProcess qemu = OwnQemus.of(engine, VM);
        long start = System.nanoTime();
        new StockQemu(engine, VM, file).save(qemu);
        try (FileChannel saved = FileChannel.open(file, StandardOpenOption.WRITE)) {
            saved.force(true);
        }
        report.put("stockSuspendMillis", (System.nanoTime() - start) / 1e6);
        report.put("stockImageBytes", Files.size(file));
    }
}
