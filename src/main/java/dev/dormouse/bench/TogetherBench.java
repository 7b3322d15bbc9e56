package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.LONG;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.MemorySize;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.ResumeResult;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Resumes several VMs at the same moment. The normal rate of each is that with all of them running before the
/// suspend; for comparison the first of them is suspended and resumed alone, and its normal rate is that alone.
/// A program of its own, `./dev bench together`; prints a line of JSON for each round.
///
/// Arguments: rounds (3), VMs (8), memory of each (`512M`), MiB of the work loop (16), path of QEMU. The first round
/// warms the JVM up and teaches the working sets, and says so.
public final class TogetherBench {
    private static final int OBSERVED_SECONDS = 5;
    /// How much longer a guest is watched after a resume than before the suspend.
    private static final long PATIENCE_TIMES = 18;
    private static final long SEED = 42;

    private final Engine engine;
    private final int vms;
    private final String memory;
    private final int workingSet;
    private final int observedSeconds;

    private TogetherBench(BenchEngine bench, int vms, String memory, int workingSet, int observedSeconds) {
        this.engine = bench.engine;
        this.vms = vms;
        this.memory = memory;
        this.workingSet = workingSet;
        this.observedSeconds = observedSeconds;
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        int rounds = Integer.parseInt(argument(arguments, 0, "3"));
        int vms = Integer.parseInt(argument(arguments, 1, "8"));
        String memory = argument(arguments, 2, "512M");
        int workingSet = Integer.parseInt(argument(arguments, 3, "16"));
        try (var bench = new BenchEngine(arguments.length > 4 ? Path.of(arguments[4]) : null)) {
            new TogetherBench(bench, vms, memory, workingSet, OBSERVED_SECONDS)
                    .run(rounds, line -> System.out.println(Json.write(line)));
        }
    }

    /// For tests: as small as it gets.
    static List<Map<String, Object>> runSmall(BenchEngine bench) throws IOException, InterruptedException {
        var lines = new ArrayList<Map<String, Object>>();
        new TogetherBench(bench, 2, "192M", 4, 1).run(0, lines::add);
        return lines;
    }

    private static String argument(String[] arguments, int index, String otherwise) {
        return arguments.length > index ? arguments[index] : otherwise;
    }

    private static String name(int vm) {
        return "vm" + vm;
    }

    private void run(int rounds, Consumer<Map<String, Object>> told) throws IOException, InterruptedException {
        Map<String, Object> host = HostFacts.read();
        try (ExecutorService threads =
                Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory())) {
            boot();
            for (int round = 0; round <= rounds; round++) {
                var line = new LinkedHashMap<String, Object>();
                line.put("bench", "together");
                line.putAll(host);
                line.put("qemuVersion", engine.tools().qemu().version().full());
                line.put("vms", vms);
                line.put("memory", memory);
                line.put("workingSetMebibytes", workingSet);
                if (round == 0) {
                    line.put("warmUp", true);
                }
                line.put("round", round);
                try {
                    measure(threads, line);
                } catch (IOException e) {
                    line.put("failed", e.toString());
                    told.accept(line);
                    throw e; // The VMs are in states that the next round does not expect.
                }
                told.accept(line);
            }
        }
    }

    private void boot() throws IOException, InterruptedException {
        GuestImage guest = GuestImage.locate();
        int mebibytes = (int) (MemorySize.parse("memory", memory) >> 20);
        for (int vm = 0; vm < vms; vm++) {
            engine.create(GuestVm.request(guest, name(vm), memory));
            engine.start(name(vm), false);
            try (GuestProbe probe = GuestVm.connect(engine.home(), name(vm), LONG)) {
                probe.ping("booted", LONG);
                probe.readSome(mebibytes / 8, LONG);
                probe.fill("pattern", SEED + vm, mebibytes * 2 / 5, 25, LONG);
                probe.work(workingSet, LONG);
            }
        }
    }

    private void measure(ExecutorService threads, Map<String, Object> line) throws IOException, InterruptedException {
        double[] together = baselines(numbers());
        suspendAll();
        List<Timed> resumed = resume(threads, numbers(), together);
        line.put("baselineRates", Arrays.stream(together).mapToObj(Math::round).toList());
        line.put("firstResponsesMs", resumed.stream().map(Timed::firstResponse).toList());
        line.put(
                "timesToResponsivenessMs",
                resumed.stream().map(Timed::responsive).toList());
        line.put("completeMs", resumed.stream().map(Timed::complete).toList());
        suspendAll();

        resume(threads, new int[] {0}, new double[] {together[0]});
        double[] alone = baselines(new int[] {0});
        engine.suspend(name(0), OperationListener.NONE, new Cancellation());
        List<Timed> one = resume(threads, new int[] {0}, alone);
        line.put("aloneBaselineRate", Math.round(alone[0]));
        line.put("aloneFirstResponseMs", one.getFirst().firstResponse());
        line.put("aloneTimeToResponsivenessMs", one.getFirst().responsive());
        line.put("aloneCompleteMs", one.getFirst().complete());

        int[] others = IntStream.range(1, vms).toArray();
        resume(threads, others, Arrays.copyOfRange(together, 1, vms));
    }

    private int[] numbers() {
        return IntStream.range(0, vms).toArray();
    }

    /// {@return the normal rates of these VMs, all of them observed at the same time}
    private double[] baselines(int[] numbers) throws IOException, InterruptedException {
        var probes = new ArrayList<GuestProbe>();
        try {
            for (int vm : numbers) {
                probes.add(GuestVm.connect(engine.home(), name(vm), LONG));
            }
            Thread.sleep(1000L * observedSeconds / 2); // They warm up.
            long from = System.nanoTime();
            Thread.sleep(1000L * observedSeconds);
            double[] rates = new double[numbers.length];
            for (int i = 0; i < rates.length; i++) {
                rates[i] = WorkRate.of(probes.get(i).reportsSince(from))
                        .baseline(observedSeconds)
                        .orElseThrow(() -> new ProbeException("probe: reported no work"));
            }
            return rates;
        } finally {
            for (GuestProbe probe : probes) {
                probe.close();
            }
        }
    }

    private void suspendAll() throws IOException {
        for (int vm = 0; vm < vms; vm++) {
            engine.suspend(name(vm), OperationListener.NONE, new Cancellation());
        }
    }

    /// Milliseconds from the request, which is one for all of the VMs.
    private record Timed(double firstResponse, @Nullable Double responsive, double complete) {}

    private List<Timed> resume(ExecutorService threads, int[] numbers, double[] baselines)
            throws IOException, InterruptedException {
        long request = System.nanoTime();
        var watched = new ArrayList<Future<Timed>>();
        for (int i = 0; i < numbers.length; i++) {
            String vm = name(numbers[i]);
            double baseline = baselines[i];
            Future<ResumeResult> restore =
                    threads.submit(() -> engine.resume(vm, ResumeOptions.DEFAULT, OperationListener.NONE));
            watched.add(threads.submit(watching(vm, request, baseline, restore)));
        }
        var times = new ArrayList<Timed>();
        for (Future<Timed> one : watched) {
            times.add(result(one));
        }
        return times;
    }

    private Callable<Timed> watching(String vm, long request, double baseline, Future<ResumeResult> restore) {
        return () -> {
            try (var watch = new ResumeWatch(engine.home(), vm, request, baseline)) {
                ResumeTimes times = watch.times(Duration.ofSeconds(PATIENCE_TIMES * observedSeconds));
                Optional<Double> responsive = Optional.ofNullable(times.timeToResponsivenessMillis());
                return new Timed(
                        times.firstResponseMillis(),
                        responsive.orElse(null),
                        result(restore).completeMillis());
            }
        };
    }

    private static <T> T result(Future<T> task) throws IOException, InterruptedException {
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
