package dev.dormouse.bench;

import dev.dormouse.base.Json;
import dev.dormouse.qmp.QemuVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Which runs a bench makes, without those that its file of samples has already, and about how long they take.
/// Immutable.
final class RestorePlan {
    /// To save a state in each way, and for the restore that teaches the working set.
    private static final Duration SAVED = Duration.ofSeconds(80);

    private final String bench;
    private final RestoreBenchOptions options;
    private final Set<String> done;

    /// One run that is to be made.
    record Planned(StorageProfile profile, RestoreStrategy strategy, int round, boolean loaded) {
        Duration estimate() {
            return Duration.ofSeconds(seconds(profile));
        }
    }

    /// @param bench its name in the samples
    RestorePlan(String bench, RestoreBenchOptions options) throws IOException {
        this.bench = bench;
        this.options = options;
        this.done = readSamples();
    }

    /// {@return the ways in turn; each round begins with the next one of them}
    List<Planned> runs(QemuVersion version, Workload workload) {
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
        plan.removeIf(run -> done.contains(key(
                version.full(),
                workload.text(),
                run.profile().text(),
                run.strategy().text(),
                run.round(),
                run.loaded())));
        return plan;
    }

    /// {@return about how long it takes to make the state of a workload, and its runs; nothing if no run is left}
    Duration estimate(QemuVersion version, Workload workload) {
        List<Planned> runs = runs(version, workload);
        return runs.isEmpty()
                ? Duration.ZERO
                : runs.stream().map(Planned::estimate).reduce(stateEstimate(workload), Duration::plus);
    }

    /// {@return about how long it takes to make the state of a workload}
    Duration stateEstimate(Workload workload) {
        return SAVED.plus(workload.beginEstimate()).plusSeconds(workload.observedSeconds());
    }

    /// {@return about how long it takes to try each way once, which the first state of the evaluation does for all}
    Duration warmUpEstimate() {
        return options.warmUp()
                ? Duration.ofSeconds(options.strategies().size() * seconds(StorageProfile.WARM))
                : Duration.ZERO;
    }

    /// For a restore, as seen on a machine with two processors; the guest is watched for some seconds behind its last
    /// page.
    private static long seconds(StorageProfile profile) {
        return switch (profile) {
            case WARM -> 14;
            case COLD -> 18;
            case SATA -> 22;
            case NAS -> 40;
        };
    }

    /// What an earlier run has measured, failed and disturbed runs apart, is not measured again.
    private Set<String> readSamples() throws IOException {
        var found = new HashSet<String>();
        if (!Files.exists(options.output())) {
            return found;
        }
        for (String text : Files.readAllLines(options.output())) {
            Map<String, Object> line = Json.parseObject(text);
            if (bench.equals(line.get("bench"))
                    && line.containsKey("round")
                    && !line.containsKey("failed")
                    && !line.containsKey(RestoreBench.DISTURBED)) {
                found.add(key(
                        line.get("qemuVersion"),
                        line.getOrDefault("workload", LoopWorkload.text(number(line, "workingSetMebibytes"))),
                        line.get("profile"),
                        line.get("strategy"),
                        number(line, "round"),
                        line.get("loaded")));
            }
        }
        return found;
    }

    /// {@return what a run is told by: QEMU, workload, profile, strategy, round, and whether it is loaded}
    private static String key(@Nullable Object... of) {
        return Arrays.toString(of);
    }

    private static long number(Map<String, Object> line, String name) {
        return line.get(name) instanceof Number number ? number.longValue() : 0;
    }
}
