package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.LONG;
import static dev.dormouse.bench.BenchEngine.VM;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.ResumeResult;
import dev.dormouse.engine.SuspendResult;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Compares the memory back ends: the guest's work rate, the pause of a checkpoint, the time of a suspend,
/// the rate at which pages are placed in a restore. A program of its own, `./dev bench memory`; prints a line
/// of JSON for each back end.
///
/// Arguments: memory of the guest (`4G`), back ends (`anonymous,shared`), path of QEMU; all optional.
public final class MemoryBench {
    private static final int WORKING_SET_MIB = 64;
    private static final int OBSERVED_SECONDS = 5;

    private final BenchEngine bench;
    private final Engine engine;

    private MemoryBench(BenchEngine bench) {
        this.bench = bench;
        this.engine = bench.engine;
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        String memory = arguments.length > 0 ? arguments[0] : "4G";
        String backends = arguments.length > 1 ? arguments[1] : "anonymous,shared";
        Path qemu = arguments.length > 2 ? Path.of(arguments[2]) : null;
        for (String backend : backends.split(",", -1)) {
            try (var bench = new BenchEngine(qemu)) {
                System.out.println(Json.write(new MemoryBench(bench).measure(memory, backend)));
            }
        }
    }

    private Map<String, Object> measure(String memory, String backend) throws IOException, InterruptedException {
        engine.create(GuestVm.request(GuestImage.locate(), VM, memory).withMemoryBackend(backend));
        engine.start(VM, false);
        Rate rate;
        try (GuestProbe probe = bench.probe()) {
            probe.ping("booted", LONG);
            probe.fill("pattern", 42, 512, 25, LONG);
            probe.read(LONG);
            probe.work(WORKING_SET_MIB, LONG);
            rate = rate(probe);
        }
        SuspendResult checkpoint = engine.checkpoint(VM, OperationListener.NONE, new Cancellation());
        engine.images().remove(checkpoint.image());
        BenchEngine.resetPeakHeap();
        SuspendResult suspend = engine.suspend(VM, OperationListener.NONE, new Cancellation());
        long heapBytes = BenchEngine.peakHeapBytes();
        var unthrottled = new ResumeOptions(
                false, false, false, ResumeOptions.DEFAULT.restore().unthrottled());
        ResumeResult resume = engine.resume(VM, unthrottled, OperationListener.NONE);
        try (GuestProbe probe = bench.probe()) {
            Rate rateAfter = rate(probe);
            probe.verify("pattern", LONG);
            return report(backend, rate, rateAfter, checkpoint, suspend, heapBytes, resume);
        }
    }

    /// The guest's work.
    ///
    /// @param perSecond the median of windows of 100 ms
    /// @param perProcessorSecond the same for the time in which QEMU had a processor: what a busy host leaves
    ///     comparable
    private record Rate(double perSecond, double perProcessorSecond) {}

    /// After a second to warm up.
    private Rate rate(GuestProbe probe) throws IOException, InterruptedException {
        Thread.sleep(1000);
        long from = System.nanoTime();
        double processorFrom = processorSeconds();
        Thread.sleep(1000L * OBSERVED_SECONDS);
        double processor = processorSeconds() - processorFrom;
        List<TimedReport> reports = probe.reportsSince(from);
        double touches = reports.getLast().report().iterations()
                - reports.getFirst().report().iterations();
        return new Rate(WorkRate.of(reports).baseline(OBSERVED_SECONDS).orElse(Double.NaN), touches / processor);
    }

    /// {@return what QEMU has used so far}
    private double processorSeconds() throws IOException {
        return ProcessUse.of(OwnQemus.of(engine, VM).pid()).processorSeconds();
    }

    private static Map<String, Object> report(
            String backend,
            Rate rate,
            Rate rateAfter,
            SuspendResult checkpoint,
            SuspendResult suspend,
            long heapBytes,
            ResumeResult resume) {
        long pages = resume.pagesOnDemand() + resume.pagesPrefetched();
        long placingMillis = Math.max(1, resume.completeMillis() - resume.runningMillis());
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("memoryBackend", backend);
        report.put("direct", suspend.direct());
        report.put("touchesPerSecond", Math.round(rate.perSecond()));
        report.put("touchesPerProcessorSecond", Math.round(rate.perProcessorSecond()));
        report.put("touchesPerSecondAfterResume", Math.round(rateAfter.perSecond()));
        report.put("touchesPerProcessorSecondAfterResume", Math.round(rateAfter.perProcessorSecond()));
        report.put("nonZeroBytes", suspend.nonZeroBytes());
        report.put("imageBytes", suspend.imageBytes());
        report.put("suspendMillis", suspend.totalMillis());
        report.put("suspendCaptureMillis", suspend.captureMillis());
        report.put("suspendPausedMillis", suspend.pausedMillis());
        report.put("checkpointMillis", checkpoint.totalMillis());
        report.put("checkpointPausedMillis", checkpoint.pausedMillis());
        report.put("suspendHeapBytesPeak", heapBytes);
        report.put("placedBytesPerSecond", pages * 4096 * 1000 / placingMillis);
        return report;
    }
}
