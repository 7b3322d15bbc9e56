package dev.dormouse.bench;

import dev.dormouse.base.Json;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.qmp.QemuVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.EnumSet;
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
    /// Of a line: the host stood still, and the run was made once more.
    static final String DISTURBED = "disturbed";

    /// For so long it must have stood still.
    private static final double PAUSED_MILLIS_MIN = 250;

    private static final String RESTORE = "restore";
    /// Then the run counts as it is.
    private static final int TRIES_MAX = 4;

    private final String bench;
    private final RestoreBenchOptions options;
    private final List<? extends Workload> workloads;
    private final Map<String, Object> host;
    private final RestorePlan plan;
    private final Set<RestoreStrategy> warm = EnumSet.noneOf(RestoreStrategy.class);
    private final long startNanos = System.nanoTime();
    private int runsPlanned;
    private int runsMade;
    private Duration left = Duration.ZERO;

    /// @param bench its name in the samples
    RestoreBench(String bench, RestoreBenchOptions options, List<? extends Workload> workloads) throws IOException {
        this.bench = bench;
        this.options = options;
        this.workloads = workloads;
        this.host = HostFacts.read();
        this.plan = new RestorePlan(bench, options);
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
        for (Path qemu : options.qemus()) {
            QemuVersion version = QemuTools.locate(qemu).qemu().version();
            for (Workload workload : workloads) {
                runsPlanned += plan.runs(version, workload).size();
                left = left.plus(plan.estimate(version, workload));
            }
        }
        left = left.plus(plan.warmUpEstimate());
        say("%d runs, about %d minutes, the building of guests apart; Ctrl-C and --resume %s go on later"
                .formatted(runsPlanned, left.toMinutes(), options.output()));
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

    private void measure(BenchEngine bench, Workload workload) throws IOException, InterruptedException {
        QemuVersion version = bench.engine.tools().qemu().version();
        List<RestorePlan.Planned> runs = plan.runs(version, workload);
        if (runs.isEmpty()) {
            return;
        }
        say("QEMU %s, %s: %d runs; making the state".formatted(version.full(), workload.text(), runs.size()));
        RestoreState state = state(bench, workload);
        if (state == null) {
            runsMade += runs.size();
            left = left.minus(plan.estimate(version, workload));
            return;
        }
        left = left.minus(warm.isEmpty() ? plan.warmUpEstimate() : Duration.ZERO);
        warmUp(bench, state, version.full());
        left = left.minus(plan.stateEstimate(workload));
        Set<StorageProfile> missing = new HashSet<>();
        for (RestorePlan.Planned run : runs) {
            left = left.minus(run.estimate());
            if (!missing.contains(run.profile()) && isAvailable(run.profile(), state, version.full())) {
                measure(bench, state, version.full(), run);
            } else {
                missing.add(run.profile());
            }
            runsMade++;
        }
    }

    /// {@return whether the host of this virtual machine did not let the run of that line run for a while}
    static boolean stoodStill(Map<String, Object> line) {
        return line.get("pausedMs") instanceof Number paused && paused.doubleValue() >= PAUSED_MILLIS_MIN;
    }

    /// Makes a run, once more if the host of this virtual machine did not let it run for a while; what it was then
    /// stays in the samples, marked.
    private void measure(BenchEngine bench, RestoreState state, String version, RestorePlan.Planned run)
            throws IOException, InterruptedException {
        for (int tries = 1; ; tries++) {
            Map<String, Object> line = line(bench, state, version, run);
            boolean again = tries < TRIES_MAX && stoodStill(line);
            if (again) {
                line.put(DISTURBED, true);
                say("the host stood still for %s, once more".formatted(millis(line.get("pausedMs"))));
            }
            write(line);
            if (!again) {
                return;
            }
        }
    }

    /// {@return the state; null if it could not be made, which is recorded, and the next workload is measured}
    private @Nullable RestoreState state(BenchEngine bench, Workload workload)
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
            return null;
        }
    }

    /// Restores that are not measured: after one of each way, of whichever state, the JVM is as warm as that of a
    /// daemon. Unless it was rehearsed, the first of Dormouse's own learns the working set of each state; where
    /// that fails, so do all that need the set. A guest that can verify its memory does so after each way, of each
    /// state.
    private void warmUp(BenchEngine bench, RestoreState state, String version)
            throws IOException, InterruptedException {
        for (RestoreStrategy strategy : RestoreStrategy.values()) {
            boolean wanted = options.warmUp()
                    && options.strategies().contains(strategy)
                    && (!warm.contains(strategy) || state.workload().isVerified());
            boolean teaches = strategy == RestoreStrategy.DORMOUSE_FIRST
                    && !options.rehearsed()
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
                if (!line.containsKey("failed")) {
                    warm.add(strategy);
                }
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

    private Map<String, Object> line(BenchEngine bench, RestoreState state, String version, RestorePlan.Planned run)
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

    private String timeLeft() {
        return "%d of %d, %d min left".formatted(runsMade + 1, runsPlanned, left.toMinutes());
    }

    private void say(String text) {
        System.err.printf(Locale.ROOT, "%6.0f s  %s%n", (System.nanoTime() - startNanos) / 1e9, text);
    }

    private void write(Map<String, Object> line) throws IOException {
        Files.createDirectories(options.output().toAbsolutePath().getParent());
        Files.writeString(
                options.output(), Json.write(line) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }
}
