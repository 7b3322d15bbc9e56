package dev.dormouse.bench;

import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.ResumeResult;
import dev.dormouse.engine.SuspendResult;
import dev.dormouse.engine.VmStatus;
import dev.dormouse.qmp.QemuProcess;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// The whole idea in one run, on a guest of the project's own: boot, fill memory and page cache, suspend,
/// resume lazily, let the guest verify itself; then the same with QEMU's own means. The engine runs in
/// this process, so that the times are those of a warm daemon.
public final class Demo implements AutoCloseable {
    private static final String VM = "demo";
    private static final Duration LONG = Duration.ofMinutes(3);
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final Duration OPERATION_PATIENCE = Duration.ofSeconds(2);
    private static final int WORKING_SET_MIB = 64;
    private static final int BASELINE_SECONDS = 3;
    private static final long SEED = 42;

    private final DemoOptions options;
    private final Path folder;
    private final Engine engine;
    private final Consumer<String> step;
    private volatile @Nullable Thread operation;

    /// @param folder an empty folder for home and files; the caller's to remove
    /// @param step told what happens, a line each
    public Demo(DemoOptions options, Path folder, Consumer<String> step) throws IOException {
        this.options = options;
        this.folder = folder;
        this.step = step;
        this.engine = new Engine(Home.at(folder.resolve("home"), null), QemuTools.locate(options.qemu()));
    }

    public DemoReport run() throws IOException, InterruptedException {
        VmStatus status =
                engine.create(GuestVm.withoutSandbox(GuestVm.request(GuestImage.locate(), VM, options.memory()))
                        .withMemoryBackend(options.memoryBackend()));
        step.accept("booting a guest with %s of memory (QEMU %s, %s)"
                .formatted(options.memory(), status.qemuVersion(), status.accelerator()));
        engine.start(VM, false);
        double baseline;
        double spread;
        try (GuestProbe probe = GuestVm.connect(engine.home(), VM, LONG)) {
            prepare(probe);
            WorkRate rate = observe(probe);
            baseline = rate.baseline(BASELINE_SECONDS)
                    .orElseThrow(() -> new ProbeException("probe: reported no work, its work loop must be running"));
            spread = WorkRate.quantile(rate.windows(0, Long.MAX_VALUE), 0.05) / baseline;
        }
        Lazy lazy = lazily(baseline);
        Stock stock = stock(baseline);
        return report(status, lazy, stock, baseline, spread);
    }

    private void prepare(GuestProbe probe) throws IOException, InterruptedException {
        probe.ping("booted", LONG);
        step.accept("filling %d MiB with a pattern".formatted(options.fillMebibytes()));
        probe.fill("pattern", SEED, options.fillMebibytes(), options.entropyPercent(), LONG);
        step.accept("reading the files of its disk into the page cache");
        probe.read(LONG);
        probe.write("before-suspend", SEED, 4096, LONG);
        probe.work(WORKING_SET_MIB, LONG);
    }

    /// Watches the undisturbed guest; the first second warms it up.
    private WorkRate observe(GuestProbe probe) throws InterruptedException {
        step.accept("measuring its work rate");
        Thread.sleep(1000);
        long from = System.nanoTime();
        Thread.sleep(1000L * BASELINE_SECONDS);
        return WorkRate.of(probe.reportsSince(from));
    }

    private record Lazy(SuspendResult suspended, ResumeResult resumed, ResumeTimes times, Intact intact) {}

    private record Intact(boolean memory, boolean files) {}

    private Lazy lazily(double baseline) throws IOException, InterruptedException {
        step.accept("dormouse: suspending");
        SuspendResult suspended = engine.suspend(VM, OperationListener.NONE, new Cancellation());
        step.accept("dormouse: resuming lazily");
        long request = System.nanoTime();
        FutureTask<ResumeResult> resume =
                inBackground(() -> engine.resume(VM, ResumeOptions.DEFAULT, OperationListener.NONE));
        try (var watch = new ResumeWatch(engine.home(), VM, request, baseline)) {
            ResumeTimes times = watch.times(PATIENCE);
            ResumeResult resumed = result(resume);
            step.accept("dormouse: the guest verifies its memory and its files");
            return new Lazy(suspended, resumed, times, verify(watch.probe()));
        }
    }

    private Intact verify(GuestProbe probe) throws InterruptedException {
        boolean memory = succeeds(() -> probe.verify("pattern", LONG));
        boolean files = succeeds(() -> {
            probe.check("before-suspend", SEED, 4096, LONG);
            probe.read(LONG);
            return null;
        });
        return new Intact(memory, files);
    }

    private boolean succeeds(Callable<?> check) throws InterruptedException {
        try {
            check.call();
            return true;
        } catch (InterruptedException e) {
            throw e;
        } catch (Exception e) {
            step.accept("NOT INTACT: " + e.getMessage());
            return false;
        }
    }

    private record Stock(double suspendMillis, long imageBytes, ResumeTimes times, boolean memoryIntact) {}

    private Stock stock(double baseline) throws IOException, InterruptedException {
        Path file = folder.resolve("stock.save");
        var stock = new StockQemu(engine, VM, file);
        step.accept("stock QEMU: saving");
        double suspendMillis = stock.save(qemu());
        step.accept("stock QEMU: restoring eagerly");
        long request = System.nanoTime();
        FutureTask<StockQemu.Restored> restore = inBackground(stock::restore);
        try (var watch = new ResumeWatch(engine.home(), VM, request, baseline)) {
            ResumeTimes times = watch.times(PATIENCE);
            boolean intact = succeeds(() -> watch.probe().verify("pattern", LONG));
            return new Stock(suspendMillis, PageCache.allocatedBytes(file), times, intact);
        } finally {
            result(restore).qemu().kill();
        }
    }

    private QemuProcess qemu() throws IOException {
        return OwnQemus.of(engine, VM);
    }

    private <T> FutureTask<T> inBackground(Callable<T> call) {
        var task = new FutureTask<>(call);
        operation = Thread.ofPlatform().daemon().name("demo-operation").start(task);
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

    private DemoReport report(VmStatus vm, Lazy lazy, Stock stock, double baseline, double spread) throws IOException {
        ResumeResult resumed = lazy.resumed();
        return new DemoReport(
                vm.qemuVersion(),
                vm.accelerator(),
                vm.memoryBytes(),
                lazy.suspended().nonZeroBytes(),
                lazy.suspended().imageBytes(),
                lazy.suspended().totalMillis(),
                lazy.suspended().pausedMillis(),
                lazy.times().firstResponseMillis(),
                lazy.times().timeToResponsivenessMillis(),
                resumed.completeMillis(),
                resumed.pagesOnDemand(),
                resumed.zeroPagesOnDemand(),
                resumed.pagesPrefetched(),
                resumed.pagesSkipped(),
                lazy.intact().memory(),
                lazy.intact().files(),
                baseline,
                spread,
                StockQemu.Means.best(engine.tools().qemu().version()).text(),
                stock.suspendMillis(),
                stock.imageBytes(),
                stock.times().firstResponseMillis(),
                stock.times().timeToResponsivenessMillis(),
                stock.memoryIntact(),
                resumed.qemuReadyMillis(),
                resumed.runningMillis(),
                lazy.times().workRate(),
                stock.times().workRate());
    }

    /// {@return the folder of its sockets, outside of the folder given; the caller's to remove}
    public Path runtime() {
        return engine.home().runtime();
    }

    /// Ends whatever QEMU is left; safe at any moment, from any thread. One that is only being started may
    /// not be seen yet: to be called again when [#run] has ended.
    @Override
    public void close() throws IOException {
        Thread background = operation;
        if (background != null) {
            background.interrupt();
        }
        OwnQemus.kill(runtime());
        if (background != null && isOver(background)) {
            OwnQemus.kill(runtime()); // It may have started one meanwhile.
        }
    }

    private static boolean isOver(Thread background) {
        try {
            return background.join(OPERATION_PATIENCE);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return true;
        }
    }
}
