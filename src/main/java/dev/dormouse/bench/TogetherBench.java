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
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
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
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// Resumes several VMs at the same moment. The normal rate of each is that with all of them running before the
/// suspend; for comparison the first of them is suspended and resumed alone, and its normal rate is that alone.
/// A program of its own, `./dev bench together`; prints a line of JSON for each round.
///
/// The first round warms the JVM up and teaches the working sets, and says so.
public final class TogetherBench {
    private static final String USAGE = """
            Usage: ./dev bench together [OPTION...]
              --rounds N           rounds that count; one more before them warms up (3)
              --vms N              VMs that are resumed at once (8)
              --memory SIZE        of each (512M)
              --working-set MIB    of each guest's work loop (16)
              --qemu Q             'system', '10.0' or a path (system)
              --rehearse           each VM is rehearsed behind its suspend, as a daemon does
            """;

    /// Twenty of the windows of half a second that guests may need which share processors ([NormalRate]).
    private static final int OBSERVED_SECONDS = 10;
    /// How much longer a guest is watched after a resume than before the suspend.
    private static final long PATIENCE_TIMES = 6;
    private static final long SEED = 42;

    private final Engine engine;
    private final Options options;

    /// @param rounds of them that count
    /// @param workingSet of the work loop of each guest, MiB
    /// @param qemu null is that of the environment
    private record Options(
            int rounds,
            int vms,
            String memory,
            int workingSet,
            @Nullable Path qemu,
            boolean rehearsed,
            int observedSeconds) {
        static Options parse(List<String> arguments, @Nullable Path qemu10, Path output) {
            var given = new BenchArguments(arguments);
            var options = new Options(
                    given.number("--rounds", 3),
                    given.number("--vms", 8),
                    given.text("--memory", "512M"),
                    given.number("--working-set", 16),
                    RestoreBenchOptions.qemu(given.text("--qemu", "system"), qemu10),
                    given.flag("--rehearse"),
                    OBSERVED_SECONDS);
            given.refuseRest();
            if (options.rounds < 1 || options.vms < 1 || options.workingSet < 1) {
                throw new IllegalArgumentException("--rounds, --vms, --working-set: %d, %d, %d, 1 or more is allowed"
                        .formatted(options.rounds, options.vms, options.workingSet));
            }
            MemorySize.parse("--memory", options.memory);
            return options;
        }
    }

    private TogetherBench(BenchEngine bench, Options options) {
        this.engine = bench.engine;
        this.options = options;
    }

    /// The last argument is the file for the samples.
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Options options = BenchArguments.parseOrExit("together", USAGE, arguments, Options::parse);
        Path output = Path.of(arguments[arguments.length - 1]);
        try (var bench = new BenchEngine(options.qemu())) {
            new TogetherBench(bench, options).run(line -> {
                System.out.println(Json.write(line));
                Files.writeString(
                        output, Json.write(line) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            });
        }
    }

    /// Takes a round's line.
    @FunctionalInterface
    private interface Lines {
        void add(Map<String, Object> line) throws IOException;
    }

    /// For tests: as small as it gets.
    static List<Map<String, Object>> runSmall(BenchEngine bench) throws IOException, InterruptedException {
        var lines = new ArrayList<Map<String, Object>>();
        new TogetherBench(bench, new Options(0, 2, "192M", 4, null, true, 1)).run(lines::add);
        return lines;
    }

    private static String name(int vm) {
        return "vm" + vm;
    }

    private void run(Lines told) throws IOException, InterruptedException {
        Map<String, Object> host = HostFacts.read();
        try (ExecutorService threads =
                Executors.newCachedThreadPool(Thread.ofPlatform().daemon().factory())) {
            boot();
            for (int round = 0; round <= options.rounds(); round++) {
                var line = new LinkedHashMap<String, Object>();
                line.put("bench", "together");
                line.putAll(host);
                line.put("qemuVersion", engine.tools().qemu().version().full());
                line.put("vms", options.vms());
                line.put("memory", options.memory());
                line.put("workingSetMebibytes", options.workingSet());
                line.put("rehearsed", options.rehearsed());
                if (round == 0) {
                    line.put("warmUp", true);
                }
                line.put("round", round);
                try {
                    measure(threads, line);
                } catch (IOException e) {
                    line.put("failed", e.toString());
                    told.add(line);
                    throw e; // The VMs are in states that the next round does not expect.
                }
                told.add(line);
            }
        }
    }

    /// None works before all of them have booted, which would take them long beside others that do.
    private void boot() throws IOException, InterruptedException {
        GuestImage guest = GuestImage.locate();
        int mebibytes = (int) (MemorySize.parse("memory", options.memory()) >> 20);
        for (int vm : numbers()) {
            engine.create(GuestVm.request(guest, name(vm), options.memory()));
            engine.start(name(vm), false);
            try (GuestProbe probe = GuestVm.connect(engine.home(), name(vm), LONG)) {
                probe.ping("booted", LONG);
                probe.readSome(mebibytes / 8, LONG);
                probe.fill("pattern", SEED + vm, mebibytes * 2 / 5, 25, LONG);
            }
        }
        for (int vm : numbers()) {
            try (GuestProbe probe = GuestVm.connect(engine.home(), name(vm), LONG)) {
                probe.work(options.workingSet(), LONG);
            }
        }
    }

    private void measure(ExecutorService threads, Map<String, Object> line) throws IOException, InterruptedException {
        NormalRate[] together = observe(numbers());
        suspend(numbers());
        rehearse(numbers());
        List<Timed> resumed = resume(threads, numbers(), together);
        line.put("baselines", Arrays.stream(together).map(NormalRate::facts).toList());
        line.put("firstResponsesMs", resumed.stream().map(Timed::firstResponse).toList());
        line.put(
                "timesToResponsivenessMs",
                resumed.stream().map(Timed::responsive).toList());
        line.put("completeMs", resumed.stream().map(Timed::complete).toList());
        suspend(numbers());

        int[] first = {0};
        resume(threads, first, new NormalRate[] {together[0]});
        NormalRate[] alone = observe(first);
        suspend(first);
        rehearse(first);
        List<Timed> one = resume(threads, first, alone);
        line.put("aloneBaseline", alone[0].facts());
        line.put("aloneFirstResponseMs", one.getFirst().firstResponse());
        line.put("aloneTimeToResponsivenessMs", one.getFirst().responsive());
        line.put("aloneCompleteMs", one.getFirst().complete());

        int[] others = IntStream.range(1, options.vms()).toArray();
        resume(threads, others, Arrays.copyOfRange(together, 1, options.vms()));
    }

    private int[] numbers() {
        return IntStream.range(0, options.vms()).toArray();
    }

    /// {@return the normal rates of these VMs, all of them observed at the same time}
    private NormalRate[] observe(int[] numbers) throws IOException, InterruptedException {
        var probes = new ArrayList<GuestProbe>();
        try {
            for (int vm : numbers) {
                probes.add(GuestVm.connect(engine.home(), name(vm), LONG));
            }
            Thread.sleep(1000L * options.observedSeconds() / 2); // They warm up.
            long from = System.nanoTime();
            Thread.sleep(1000L * options.observedSeconds());
            var rates = new NormalRate[numbers.length];
            for (int i = 0; i < rates.length; i++) {
                rates[i] = NormalRate.of(probes.get(i).reportsSince(from));
            }
            return rates;
        } finally {
            for (GuestProbe probe : probes) {
                probe.close();
            }
        }
    }

    private void suspend(int[] numbers) throws IOException {
        for (int vm : numbers) {
            engine.suspend(name(vm), OperationListener.NONE, new Cancellation());
        }
    }

    /// Once all of them sleep, or those that still work would disturb it.
    private void rehearse(int[] numbers) throws IOException {
        for (int vm : options.rehearsed() ? numbers : new int[0]) {
            engine.rehearse(name(vm), OperationListener.NONE, new Cancellation());
        }
    }

    /// Milliseconds from the request, which is one for all of the VMs.
    private record Timed(double firstResponse, @Nullable Double responsive, double complete) {}

    private List<Timed> resume(ExecutorService threads, int[] numbers, NormalRate[] normal)
            throws IOException, InterruptedException {
        long request = System.nanoTime();
        var watched = new ArrayList<Future<Timed>>();
        for (int i = 0; i < numbers.length; i++) {
            String vm = name(numbers[i]);
            NormalRate rate = normal[i];
            Future<ResumeResult> restore =
                    threads.submit(() -> engine.resume(vm, ResumeOptions.DEFAULT, OperationListener.NONE));
            watched.add(threads.submit(watching(vm, request, rate, restore)));
        }
        var times = new ArrayList<Timed>();
        for (Future<Timed> one : watched) {
            times.add(result(one));
        }
        return times;
    }

    private Callable<Timed> watching(String vm, long request, NormalRate normal, Future<ResumeResult> restore) {
        return () -> {
            try (var watch = new ResumeWatch(engine.home(), vm, request, normal.perSecond(), normal.windowNanos())) {
                ResumeTimes times = watch.times(Duration.ofSeconds(PATIENCE_TIMES * options.observedSeconds()));
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
