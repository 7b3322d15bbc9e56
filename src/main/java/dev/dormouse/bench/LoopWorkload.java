package dev.dormouse.bench;

import static dev.dormouse.bench.BenchEngine.LONG;
import static dev.dormouse.bench.BenchEngine.VM;

import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;

/// The project's own guest with memory and page cache of known content, and the probe's loop over its working set.
///
/// @param workingSet of the loop, MiB
record LoopWorkload(RestoreBenchOptions options, int workingSet) implements Workload {
    static final long SEED = 42;
    static final String PATTERN = "pattern";
    private static final int OBSERVED_SECONDS = 5;

    /// {@return the name of that with this working set, MiB}
    static String text(long workingSet) {
        return "loop-" + workingSet;
    }

    @Override
    public String text() {
        return text(workingSet);
    }

    @Override
    public Map<String, Object> facts() {
        var facts = new LinkedHashMap<String, Object>();
        facts.put("workingSetMebibytes", workingSet);
        facts.put("patternMebibytes", options.patternMebibytes());
        facts.put("entropyPercent", RestoreBenchOptions.ENTROPY_PERCENT);
        facts.put("fileMebibytes", options.fileMebibytes());
        return facts;
    }

    @Override
    public GuestImage guest() throws IOException, InterruptedException {
        return options.fileMebibytes() == 0
                ? GuestImage.locate()
                : GuestImage.locate(options.fileMebibytes() - GuestImage.WORK_MEBIBYTES, 0);
    }

    @Override
    public VmRequest request(GuestImage guest) {
        return GuestVm.withoutSandbox(GuestVm.request(guest, VM, options.memory()));
    }

    @Override
    public String begin(GuestProbe probe) throws IOException, InterruptedException {
        probe.ping("booted", LONG);
        if (options.fileMebibytes() == 0) {
            probe.readSome(options.patternMebibytes() / 2, LONG);
        } else {
            probe.read(LONG);
        }
        probe.fill(PATTERN, SEED, options.patternMebibytes(), RestoreBenchOptions.ENTROPY_PERCENT, LONG);
        probe.work(workingSet, LONG);
        probe.sync(LONG);
        return "touches";
    }

    @Override
    public Duration beginEstimate() {
        return Duration.ofMinutes(1);
    }

    @Override
    public int observedSeconds() {
        return OBSERVED_SECONDS;
    }

    @Override
    public void verify(GuestProbe probe) throws IOException, InterruptedException {
        probe.verify(PATTERN, LONG);
    }
}
