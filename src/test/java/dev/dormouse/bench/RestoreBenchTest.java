package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
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
    void triesEveryWayOnce() throws Exception {
        Path samples = folder.resolve("samples.jsonl");

        RestoreBench.of(options(samples, "--loaded-rounds", "0")).run();
        RestoreBench.of(options(samples, "--loaded-rounds", "0")).run(); // Nothing is left to be measured.

        assertThat(lines(samples))
                .allSatisfy(line -> assertThat(line)
                        .doesNotContainKey("failed")
                        .containsKeys(
                                "revision",
                                "dirty",
                                "kernel",
                                "qemuVersion",
                                "residentBytesBefore",
                                "hostMemoryGigabytesPerSecond",
                                "workRate"))
                .extracting(line -> line.get("strategy"))
                .containsExactlyElementsOf(Arrays.stream(RestoreStrategy.values())
                        .filter(strategy -> strategy != RestoreStrategy.STOCK_MAPPED_RAM)
                        .map(RestoreStrategy::text)
                        .toList());
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

    @Test
    @Tag("soak") // It boots several guests.
    void resumesSeveralAtOnce() throws Exception {
        try (var bench = new BenchEngine(null)) {
            List<Map<String, Object>> lines = TogetherBench.runSmall(bench);

            assertThat(lines).hasSize(1);
            assertThat(lines.getFirst()).doesNotContainKey("failed").containsKey("aloneFirstResponseMs");
        }
    }
}
