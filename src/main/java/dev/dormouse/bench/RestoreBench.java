package dev.dormouse.bench;

import dev.dormouse.base.Json;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.qmp.QemuVersion;
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
/// and says on standard error how it is getting on. [PaperBench] does the same with other workloads.
///
/// The ways take turns within a round, each round begins with another one, and all of them restore clones of the
/// same image and the same save files ([RestoreState]). A run that fails is recorded as failed, storage that this
/// host cannot be made to be as not available.
public final class RestoreBench {
    private static final String RESTORE = "restore";

    private final String bench;
    private final RestoreBenchOptions options;
    private final List<? extends Workload> workloads;
    private final Map<String, Object> host;
    private final Set<String> done = new HashSet<>();
    private final long startNanos = System.nanoTime();
    private int runsPlanned;
    private int runsMade;

    /// @param bench its name in the samples
    RestoreBench(String bench, RestoreBenchOptions options, List<? extends Workload> workloads) throws IOException {
        this.bench = bench;
        this.options = options;
        this.workloads = workloads;
        this.host = HostFacts.read();
    }

    /// The last argument is the file for the samples.
    public static void main(String[] arguments) throws IOException, InterruptedException {
        RestoreBenchOptions options =
                BenchArguments.parseOrExit(RESTORE, RestoreBenchOptions.USAGE, arguments, RestoreBenchOptions::parse);
        System.out.println(options.output());
        of(options).run();
    }

    /// {@return a bench with these options, which a test calls}
    static RestoreBench of(RestoreBenchOptions options) throws IOException {
        return new RestoreBench(
                RESTORE,
                options,
                options.workingSets().stream()
                        .map(workingSet -> new LoopWorkload(options, workingSet))
                        .toList());
    }

    void run() throws IOException, InterruptedException {
        readSamples();
        for (Path qemu : options.qemus()) {
            QemuVersion version = QemuTools.locate(qemu).qemu().version();
            for (Workload workload : workloads) {
                runsPlanned += plan(version, workload).size();
            }
        }
        for (Path qemu : options.qemus()) {
            for (Workload workload : workloads) {
                try (var engine = new BenchEngine(qemu)) {
                    var hook = new Thread(() -> killQemus(engine));
                    Runtime.getRuntime().addShutdownHook(hook);
                    measure(engine, workload);
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

    private void measure(BenchEngine bench, Workload workload) throws IOException, InterruptedException {
        QemuVersion version = bench.engine.tools().qemu().version();
        List<Planned> plan = plan(version, workload);
        if (plan.isEmpty()) {
            return;
        }
        say("QEMU %s, %s: %d runs; making the state".formatted(version.full(), workload.text(), plan.size()));
        RestoreState state = state(bench, workload, plan.size());
        if (state == null) {
            return;
        }
        warmUp(bench, state, version.full());
        Set<StorageProfile> missing = new HashSet<>();
        for (Planned run : plan) {
            if (!missing.contains(run.profile()) && isAvailable(run.profile(), state, version.full())) {
                write(line(bench, state, version.full(), run));
            } else {
                missing.add(run.profile());
            }
            runsMade++;
        }
    }

    /// {@return the state; null if it could not be made, which is recorded, and the next workload is measured}
    private @Nullable RestoreState state(BenchEngine bench, Workload workload, int runs)
            throws IOException, InterruptedException {
        try {
            RestoreState state = RestoreState.make(bench, options, workload);
            say("%,d MB are not zero, the image has %,d MB, %s %s a second"
                    .formatted(
                            state.nonZeroBytes() / 1_000_000,
                            (long) Objects.requireNonNull(state.facts().get("imageBytes")) / 1_000_000,
                            state.facts().get("baselineRate"),
                            state.facts().get("unit")));
            return state;
        } catch (IOException | RuntimeException e) {
            Map<String, Object> line =
                    facts(bench.engine.tools().qemu().version().full());
            line.put("workload", workload.text());
            line.putAll(workload.facts());
            line.put("failed", e.toString());
            write(line);
            say("FAILED: " + e);
            runsMade += runs;
            return null;
        }
    }

    /// The ways in turn; each round begins with the next one of them.
    private List<Planned> plan(QemuVersion version, Workload workload) {
        var strategies = new ArrayList<>(options.strategies());
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
        plan.removeIf(run -> done.contains(key(version.full(), workload.text(), run)));
        return plan;
    }

    /// Restores that are not measured: after one of each way the JVM is as warm as that of a daemon, and the
    /// working set is known, for which the first of Dormouse's own is needed in any case. Where that fails, so
    /// do all that need the set. The guest verifies its memory after each of them.
    private void warmUp(BenchEngine bench, RestoreState state, String version)
            throws IOException, InterruptedException {
        for (RestoreStrategy strategy : RestoreStrategy.values()) {
            boolean wanted = options.warmUp() && options.strategies().contains(strategy);
            boolean teaches = strategy == RestoreStrategy.DORMOUSE_FIRST
                    && options.strategies().stream().anyMatch(RestoreStrategy::needsWorkingSet);
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
        run(bench, state, new RestoreRun.Kind(run.strategy(), run.profile(), run.loaded(), false), false, line);
        say("%s, %s, round %d%s, %s: %s; %s"
                .formatted(
                        state.workload().text(),
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
        Map<String, Object> facts = facts(version);
        facts.putAll(state.facts());
        return facts;
    }

    private Map<String, Object> facts(String version) {
        var facts = new LinkedHashMap<String, Object>();
        facts.put("bench", bench);
        facts.put("at", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        facts.putAll(host);
        facts.put("qemuVersion", version);
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

    /// Of all workloads: what making their states takes is in the mean of those that were made.
    private String timeLeft() {
        double minutes = (System.nanoTime() - startNanos) / 60e9 / (runsMade + 1) * (runsPlanned - runsMade - 1);
        return String.format(Locale.ROOT, "%d of %d, %.0f min left", runsMade + 1, runsPlanned, minutes);
    }

    private void say(String text) {
        System.err.printf(Locale.ROOT, "%6.0f s  %s%n", (System.nanoTime() - startNanos) / 1e9, text);
    }

    private static String key(String version, String workload, Planned run) {
        return "%s/%s/%s/%s/%d/%s"
                .formatted(
                        version, workload, run.profile().text(), run.strategy().text(), run.round(), run.loaded());
    }

    /// What an earlier run has measured, failed runs apart, is not measured again.
    private void readSamples() throws IOException {
        if (!Files.exists(options.output())) {
            return;
        }
        for (String text : Files.readAllLines(options.output())) {
            Map<String, Object> line = Json.parseObject(text);
            if (bench.equals(line.get("bench")) && line.containsKey("round") && !line.containsKey("failed")) {
                done.add("%s/%s/%s/%s/%d/%s"
                        .formatted(
                                line.get("qemuVersion"),
                                line.getOrDefault("workload", LoopWorkload.text(number(line, "workingSetMebibytes"))),
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
