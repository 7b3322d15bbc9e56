package dev.dormouse.bench;

import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/// The samples of [PaperBench], and which of them belong together. Immutable.
///
/// @param all of them
/// @param workloads that were tried, in the order of the evaluation; behind them what is not of it
record PaperSamples(Samples all, List<String> workloads) {
    static final List<String> STRATEGIES = Arrays.stream(RestoreStrategy.values())
            .filter(RestoreStrategy::isOfPaper)
            .map(RestoreStrategy::text)
            .toList();
    static final String OURS = RestoreStrategy.DORMOUSE.text();
    static final String EAGER = RestoreStrategy.EAGER.text();
    /// Its random data can be neither left out nor compressed; the paper has no such benchmark.
    static final String WORST_CASE = PaperWorkload.REDIS.text();

    static final long PAGE_BYTES = 4096;

    static PaperSamples of(Samples all) {
        List<String> order =
                Arrays.stream(PaperWorkload.values()).map(PaperWorkload::text).toList();
        return new PaperSamples(
                all,
                all.values("workload").stream()
                        .sorted(Comparator.comparingInt(
                                name -> order.contains(name) ? order.indexOf(name) : order.size()))
                        .toList());
    }

    /// {@return the lines of a workload of which the state could be made}
    Samples states(String workload) {
        return all.where("workload", workload).where(line -> line.containsKey("imageBytes"));
    }

    /// {@return the lines that say that a state could not be made}
    Samples failedStates() {
        return all.where(line -> Cells.hasFailed(line) && !line.containsKey("imageBytes"));
    }

    /// {@return the measured runs}
    Samples runs() {
        return all.where(line -> line.containsKey("round"));
    }

    Samples warmUps() {
        return all.where("warmUp", true);
    }

    PaperRuns of(StorageProfile profile) {
        return new PaperRuns(this, profile, all.where("profile", profile.text()));
    }
}
