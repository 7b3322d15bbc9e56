package dev.dormouse.bench;

import dev.dormouse.base.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Compares the ways of restoring one and the same VM state: QEMU's own, everything loaded first from a small
/// image, plain lazy, Dormouse. A program of its own, `./dev bench restore`; appends a line of JSON for each run
/// and says on standard error how it is getting on.
///
/// The ways take turns within a round, each round begins with another one, and all of them restore clones of the
/// same image and the same save files ([RestoreState]). A run that fails is recorded as failed, storage that this
/// host cannot be made to be as not available.
public final class RestoreBench {
    private static final String RESTORE = "restore";

    private final RestoreBenchOptions options;
    private final Map<String, Object> host;
    private final Set<String> done = new HashSet<>();
    private final long startNanos = System.nanoTime();
    private long runsStartNanos = startNanos;
    private int runsLeft;
    private int runsMade;

    private RestoreBench(RestoreBenchOptions options) throws IOException {
        this.options = options;
        this.host = HostFacts.read();
    }

    /// The last argument is the file for the samples.
    public static void main(String[] arguments) throws IOException, InterruptedException {
        List<String> given = List.of(arguments).subList(0, arguments.length - 1);
        String qemu10 = System.getProperty("dormouse.qemu10", "");
        RestoreBenchOptions options;
        try {
            options = RestoreBenchOptions.parse(
                    given, qemu10.isEmpty() ? null : Path.of(qemu10), Path.of(arguments[arguments.length - 1]));
        } catch (IllegalArgumentException e) {
            System.err.println("dormouse: bench restore: " + e.getMessage());
            System.exit(2);
            return;
        }
        System.out.println(options.output());
        new RestoreBench(options).run();
    }

    /// {@return a bench with these options, which a test calls}
    static RestoreBench of(RestoreBenchOptions options) throws IOException {
        return new RestoreBench(options);
    }

    void run() throws IOException, InterruptedException {
        readSamples();
        for (Path qemu : options.qemus()) {
            for (int workingSet : options.workingSets()) {
                try (var bench = new BenchEngine(qemu)) {
                    var hook = new Thread(() -> killQemus(bench));
                    Runtime.getRuntime().addShutdownHook(hook);
                    measure(bench, workingSet);
                    Runtime.getRuntime().removeShutdownHook(hook);
                }
            }
        }
    }

    private static void killQemus(BenchEngine bench) {
        try {
            OwnQemus.kill(bench.engine.home().runtime());
        } catch (IOException e) {
            System.err.println("dormouse: bench restore: " + e.getMessage());
        }
        BenchEngine.deleteQuietly(bench.folder);
    }

    /// One run that is to be made.
    private record Planned(StorageProfile profile, RestoreStrategy strategy, int round, boolean loaded) {}

    private void measure(BenchEngine bench, int workingSet) throws IOException, InterruptedException {
        String version = bench.engine.tools().qemu().version().full();
        List<Planned> plan = plan(bench).stream()
                .filter(run -> !done.contains(key(version, workingSet, run)))
                .toList();
        if (plan.isEmpty()) {
            return;
        }
        runsLeft = plan.size();
        say("QEMU %s, working set of %d MiB: %d runs; making the state".formatted(version, workingSet, runsLeft));
        RestoreState state = RestoreState.make(bench, options, workingSet);
        say("%,d MB are not zero, the image has %,d MB, %s touches a second"
                .formatted(
                        state.nonZeroBytes() / 1_000_000,
                        (long) Objects.requireNonNull(state.facts().get("imageBytes")) / 1_000_000,
                        state.facts().get("baselineRate")));
        if (options.warmUp()) {
            warmUp(bench, state, version);
        }
        Set<StorageProfile> missing = new HashSet<>();
        runsMade = 0;
        runsStartNanos = System.nanoTime();
        for (Planned run : plan) {
            if (!missing.contains(run.profile()) && isAvailable(run.profile(), state, version)) {
                write(line(bench, state, version, run));
            } else {
                missing.add(run.profile());
            }
            runsMade++;
        }
    }

    /// The ways in turn; each round begins with the next one of them.
    private List<Planned> plan(BenchEngine bench) throws IOException {
        var strategies = new ArrayList<>(options.strategies());
        var version = bench.engine.tools().qemu().version();
        strategies.removeIf(strategy -> !strategy.isPossible(version));
        var plan = new ArrayList<Planned>();
        for (StorageProfile profile : options.profiles()) {
            int loaded = 0;
            for (int round = 1; round <= options.rounds(); round++) {
                for (RestoreStrategy strategy : strategies) {
                    plan.add(new Planned(profile, strategy, round, false));
                }
                // Spread over the run, as the machine may change.
                int loadedByNow = options.loadedRounds() * round / options.rounds();
                while (loaded < loadedByNow) {
                    loaded++;
                    for (RestoreStrategy strategy : strategies) {
                        plan.add(new Planned(profile, strategy, loaded, true));
                    }
                }
                Collections.rotate(strategies, -1);
            }
        }
        return plan;
    }

    /// Two restores that are not measured: the JVM is as warm as that of a daemon then, and the working set is known.
    /// The guest verifies its memory after each way at least once.
    private void warmUp(BenchEngine bench, RestoreState state, String version)
            throws IOException, InterruptedException {
        for (RestoreStrategy strategy : RestoreStrategy.values()) {
            boolean wanted = options.strategies().contains(strategy);
            boolean teaches = strategy == RestoreStrategy.DORMOUSE_FIRST;
            if ((wanted || teaches)
                    && strategy.isPossible(bench.engine.tools().qemu().version())) {
                say("warming up: " + strategy.text());
                var kind = new RestoreRun.Kind(strategy, StorageProfile.WARM, false, true);
                Map<String, Object> line = facts(state, version);
                line.put("warmUp", true);
                line.put("strategy", strategy.text());
                run(bench, state, kind, teaches, line);
                write(line);
            }
        }
    }

    private boolean isAvailable(StorageProfile profile, RestoreState state, String version) throws IOException {
        try (Throttle _ = Throttle.enter(profile, state.files())) {
            return true;
        } catch (IOException e) {
            Map<String, Object> line = facts(state, version);
            line.put("profile", profile.text());
            line.put("notAvailable", e.getMessage());
            write(line);
            say(profile.text() + ": not available here: " + e.getMessage());
            return false;
        }
    }

    private Map<String, Object> line(BenchEngine bench, RestoreState state, String version, Planned run)
            throws InterruptedException {
        Map<String, Object> line = facts(state, version);
        line.put("profile", run.profile().text());
        line.put("strategy", run.strategy().text());
        line.put("round", run.round());
        line.put("loaded", run.loaded());
        boolean teaches = !options.warmUp() && run.strategy() == RestoreStrategy.DORMOUSE_FIRST;
        run(bench, state, new RestoreRun.Kind(run.strategy(), run.profile(), run.loaded(), false), teaches, line);
        say("%s, round %d%s, %s: %s; %s"
                .formatted(
                        run.profile().text(),
                        run.round(),
                        run.loaded() ? " loaded" : "",
                        run.strategy().text(),
                        summary(line),
                        timeLeft()));
        return line;
    }

    /// Adds to the line what was measured, or why that failed.
    private void run(
            BenchEngine bench, RestoreState state, RestoreRun.Kind kind, boolean learn, Map<String, Object> line)
            throws InterruptedException {
        try {
            line.putAll(new RestoreRun(bench, options, state, kind).run(learn));
        } catch (IOException | RuntimeException e) {
            line.put("failed", e.toString());
            say("FAILED: " + e);
        }
    }

    private Map<String, Object> facts(RestoreState state, String version) {
        var facts = new LinkedHashMap<String, Object>();
        facts.put("bench", RESTORE);
        facts.put("at", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        facts.putAll(host);
        facts.put("qemuVersion", version);
        facts.putAll(state.facts());
        return facts;
    }

    private static String summary(Map<String, Object> line) {
        if (line.containsKey("failed")) {
            return "FAILED";
        }
        return "first response %s, responsive %s, complete %s"
                .formatted(
                        millis(line.get("firstResponseMs")),
                        millis(line.get("timeToResponsivenessMs")),
                        millis(line.get("completeMs")));
    }

    private static String millis(@Nullable Object value) {
        return value instanceof Number number
                ? String.format(Locale.ROOT, "%,.0f ms", number.doubleValue())
                : "not reached";
    }

    private String timeLeft() {
        double minutes = (System.nanoTime() - runsStartNanos) / 60e9 / (runsMade + 1) * (runsLeft - runsMade - 1);
        return String.format(Locale.ROOT, "%d of %d, %.0f min left", runsMade + 1, runsLeft, minutes);
    }

    private void say(String text) {
        System.err.printf(Locale.ROOT, "%6.0f s  %s%n", (System.nanoTime() - startNanos) / 1e9, text);
    }

    private static String key(String version, int workingSet, Planned run) {
        return "%s/%d/%s/%s/%d/%s"
                .formatted(
                        version,
                        workingSet,
                        run.profile().text(),
                        run.strategy().text(),
                        run.round(),
                        run.loaded());
    }

    /// What an earlier run has measured, failed runs apart, is not measured again.
    private void readSamples() throws IOException {
        if (!Files.exists(options.output())) {
            return;
        }
        for (String text : Files.readAllLines(options.output())) {
            Map<String, Object> line = Json.parseObject(text);
            if (RESTORE.equals(line.get("bench")) && line.containsKey("round") && !line.containsKey("failed")) {
                done.add("%s/%d/%s/%s/%d/%s"
                        .formatted(
                                line.get("qemuVersion"),
                                number(line, "workingSetMebibytes"),
                                line.get("profile"),
                                line.get("strategy"),
                                number(line, "round"),
                                line.get("loaded")));
            }
        }
    }

    private static long number(Map<String, Object> line, String name) {
        return line.get(name) instanceof Number number ? number.longValue() : 0;
    }

    private void write(Map<String, Object> line) throws IOException {
        Files.createDirectories(options.output().toAbsolutePath().getParent());
        Files.writeString(
                options.output(), Json.write(line) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
