package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RestoreBenchReportTest {
    @TempDir
    private Path folder;

    private static Map<String, Object> run(String strategy, int round, Double responsive) {
        var line = new HashMap<String, Object>();
        line.put("bench", "restore");
        line.put("qemuVersion", "7.2.22 (Debian)");
        line.put("workingSetMebibytes", 64);
        line.put("nonZeroBytes", 3_600_000_000L);
        line.put("imageBytes", 500_000_000L);
        line.put("baselineSpread", 0.9);
        line.put("profile", "warm");
        line.put("strategy", strategy);
        line.put("round", round);
        line.put("loaded", false);
        line.put("firstResponseMs", 100.0 * round);
        line.put("timeToResponsivenessMs", responsive);
        line.put("completeMs", 2000.0);
        line.put("workRate", List.of(0.0, 0.5, 1.0));
        line.put("touchesByLatency", new LatencyHistogram(counts(90, 9, 1)).toString());
        return line;
    }

    private static long[] counts(long... first) {
        return Arrays.copyOf(first, LatencyHistogram.BUCKET_COUNT);
    }

    private String report(List<Map<String, Object>> lines) throws Exception {
        Path samples = folder.resolve("samples.jsonl");
        Files.write(samples, lines.stream().map(line -> Json.write(line)).toList());
        return Files.readString(RestoreBenchReport.write(samples, folder.resolve("report")));
    }

    @Test
    void showsMediansRatiosAndWhatFailed() throws Exception {
        var lines = new ArrayList<Map<String, Object>>();
        for (int round = 1; round <= 3; round++) {
            lines.add(run("stock-stream", round, 4000.0 + round));
            lines.add(run("dormouse", round, round == 3 ? null : 400.0 + round));
        }
        Map<String, Object> failed = run("dormouse", 4, null);
        failed.put("failed", "no such luck");
        lines.add(failed);

        String report = report(lines);

        assertThat(report)
                .contains("| stock-stream | 3 | 200 / 300 | 4,002 / 4,003 | 2,000 / 2,000 | 1.0 |  |")
                .contains(
                        "| dormouse | 4, 1 failed | 200 / 300 | 402 / not reached, not reached in 1 | 2,000 / 2,000 | 10.0 |  |");
        assertThat(folder.resolve("report/work-rate-7.2.22-64-warm.svg"))
                .content()
                .startsWith("<?xml")
                .contains("<svg", "<path");
        assertThat(folder.resolve("report/touches-7.2.22-64-warm.svg")).exists();
    }

    @Test
    void saysWhatTheHostHasNot() throws Exception {
        Map<String, Object> missing = run("eager", 1, 1.0);
        missing.keySet().removeAll(List.of("strategy", "round", "loaded"));
        missing.put("profile", "nas");
        missing.put("notAvailable", "no control groups");

        assertThat(report(List.of(missing))).contains("### nas", "Not available on this host: no control groups");
    }

    @Test
    void showsVmsThatWereResumedTogetherAndTheLoop() throws Exception {
        Map<String, Object> together = Map.of(
                "bench",
                "together",
                "qemuVersion",
                "7.2",
                "vms",
                2,
                "memory",
                "512M",
                "aloneTimeToResponsivenessMs",
                500.0,
                "timesToResponsivenessMs",
                List.of(600.0, 1000.0));
        Map<String, Object> loop = Map.of(
                "bench",
                "copy-loop",
                "pagesPerCall",
                16,
                "threads",
                1,
                "gigabytesPerSecond",
                2.5,
                "firstTouchMicros",
                13.0,
                "nextTouchMicros",
                0.3);

        assertThat(report(List.of(together, loop)))
                .contains("| 7.2 | 2 | 512M | recorded | 1 | 500 | 800 / 1,000 / 0 | 2.0 |")
                .contains("| 16 | 1 | 2.50 | 13.00 | 0.30 |");
    }

    @Test
    void countsVmsThatWereNeverResponsiveTogetherAndNotTheRoundThatWarmsUp() throws Exception {
        Map<String, Object> round = new HashMap<>(
                Map.of("bench", "together", "qemuVersion", "7.2", "vms", 2, "memory", "512M", "rehearsed", true));
        round.put("aloneTimeToResponsivenessMs", 500.0);
        round.put("timesToResponsivenessMs", Arrays.asList(600.0, null));
        Map<String, Object> warmUp = new HashMap<>(round);
        warmUp.put("warmUp", true);
        Map<String, Object> neverAlone = new HashMap<>(round);
        neverAlone.put("qemuVersion", "10.0");
        neverAlone.put("aloneTimeToResponsivenessMs", null);

        assertThat(report(List.of(warmUp, round, neverAlone)))
                .contains("| 7.2 | 2 | 512M | rehearsed | 1 | 500 | not reached / not reached / 1 | - |")
                .contains("| 10.0 | 2 | 512M | rehearsed | 1 | not reached | not reached / not reached / 1 | - |");
    }
}
