package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.qmp.QemuVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The benches with QEMU still run: every way of restoring once, on a tiny guest.
@Tag("qemu")
@Timeout(600)
class RestoreBenchTest {
    @TempDir
    private Path folder;

    private static RestoreBenchOptions options(Path output, String... more) {
        List<String> arguments =
                new ArrayList<>(List.of("--quick", "--memory", "192M", "--no-warm-up", "--working-sets", "8"));
        arguments.addAll(List.of(more));
        return RestoreBenchOptions.parse(arguments, null, output);
    }

    private static List<Map<String, Object>> lines(Path file) throws Exception {
        return Files.readAllLines(file).stream().map(Json::parseObject).toList();
    }

    @Test
    void triesEveryWayOnceAndReports() throws Exception {
        Path samples = folder.resolve("samples.jsonl");
        RestoreBenchOptions options = options(
                samples, "--loaded-rounds", "0", "--qemu", newestQemu(), "--strategies", PaperOptions.STRATEGIES);
        List<Workload> tiny = List.of(new LoopWorkload(options, 8));

        new RestoreBench("paper", options, tiny).run();
        new RestoreBench("paper", options, tiny).run(); // Nothing is left to be measured.

        QemuVersion version =
                QemuTools.locate(options.qemus().getFirst()).qemu().version();
        List<String> possible = options.strategies().stream()
                .filter(strategy -> strategy.isPossible(version))
                .map(RestoreStrategy::text)
                .toList();
        assertThat(Files.readString(PaperReport.write(samples, folder.resolve("report"))))
                .contains("1 of 12 workloads, %d runs of which 0 failed".formatted(possible.size()), "| loop-8 |");
        assertThat(lines(samples).stream().filter(line -> !line.containsKey("warmUp")))
                .allSatisfy(line -> assertThat(line)
                        .doesNotContainKey("failed")
                        .containsKeys(
                                "revision",
                                "dirty",
                                "kernel",
                                "qemuVersion",
                                "residentBytesBefore",
                                "hostMemoryGigabytesPerSecond",
                                "workRate",
                                "state",
                                "imageParts",
                                "shareBeforeRun"))
                .extracting(line -> line.get("strategy"))
                .containsExactlyElementsOf(possible);
    }

    /// {@return 10.0 where it is to be had, which alone has all ways}
    private static String newestQemu() {
        String folder = System.getProperty("dormouse.qemu10", "");
        return folder.isEmpty() ? "system" : folder + "/bin/qemu-system-x86_64";
    }

    @Test
    void measuresAGuestThatTouchesMoreThanItsSet() throws Exception {
        Path samples = folder.resolve("samples.jsonl");

        RestoreBench.of(options(samples, "--strategies", "dormouse-first", "--profiles", "cold"))
                .run();

        assertThat(lines(samples))
                .hasSize(2)
                .last()
                .satisfies(line -> assertThat(line)
                        .doesNotContainKey("failed")
                        .containsEntry("loaded", true)
                        .containsKeys("sampledByLatency", "allocatedByLatency"));
    }

    /// A guest that finds its memory damaged.
    private record Damaged(Workload workload) implements Workload {
        @Override
        public String text() {
            return workload.text();
        }

        @Override
        public Map<String, Object> facts() {
            return workload.facts();
        }

        @Override
        public GuestImage guest() throws IOException, InterruptedException {
            return workload.guest();
        }

        @Override
        public VmRequest request(GuestImage guest) {
            return workload.request(guest);
        }

        @Override
        public String begin(GuestProbe probe) throws IOException, InterruptedException {
            return workload.begin(probe);
        }

        @Override
        public Duration beginEstimate() {
            return workload.beginEstimate();
        }

        @Override
        public int observedSeconds() {
            return workload.observedSeconds();
        }

        @Override
        public void verify(GuestProbe probe) throws ProbeException {
            throw new ProbeException("its memory is not what it was");
        }
    }

    @Test
    void failsWhatNeedsAWorkingSetThatWasNotTaught() throws Exception {
        Path samples = folder.resolve("samples.jsonl");
        RestoreBenchOptions options = options(samples, "--loaded-rounds", "0", "--strategies", "dormouse");

        new RestoreBench("paper", options, List.of(new Damaged(new LoopWorkload(options, 8)))).run();

        assertThat(lines(samples))
                .extracting(line -> line.get("strategy"))
                .containsExactly("dormouse-first", "dormouse"); // The first of them is the one that teaches.
        assertThat(lines(samples))
                .extracting(line -> line.get("failed"))
                .satisfiesExactly(
                        reason -> assertThat((String) reason).contains("its memory is not what it was"),
                        reason -> assertThat((String) reason).contains("no working set is known"));
        assertThat(lines(samples))
                .last()
                .satisfies(line -> assertThat(line).containsEntry("round", 1L).doesNotContainKey("firstResponseMs"));
    }

    @Test
    @Tag("soak") // It boots several guests.
    void resumesSeveralAtOnce() throws Exception {
        try (var bench = new BenchEngine(null)) {
            List<Map<String, Object>> lines = TogetherBench.runSmall(bench);

            assertThat(lines).hasSize(1);
            assertThat(lines.getFirst())
                    .doesNotContainKey("failed")
                    .containsKey("aloneFirstResponseMs")
                    .containsEntry("rehearsed", true);
        }
    }
}
