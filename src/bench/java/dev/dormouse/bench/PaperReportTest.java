package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PaperReportTest {
    @TempDir
    private Path folder;

    private static Map<String, Object> state(String workload) {
        var line = new LinkedHashMap<String, Object>();
        line.put("bench", "paper");
        line.put("qemuVersion", "10.0.2");
        line.put("workload", workload);
        line.put("nonZeroBytes", 1_000_000_000);
        line.put("imageBytes", 200_000_000);
        line.put("selfContainedImageBytes", 500_000_000);
        line.put(
                "pages",
                Map.of("total", 1 << 20, "zero", 800_000, "onDisk", 100_000, "duplicate", 0, "stored", 148_576));
        line.put("windowMs", 100);
        return line;
    }

    private static Map<String, Object> run(String workload, String strategy, int round, @Nullable Double responsive) {
        Map<String, Object> line = state(workload);
        line.put("profile", "sata");
        line.put("strategy", strategy);
        line.put("round", round);
        line.put("loaded", false);
        line.put("firstResponseMs", 300.0);
        line.put("timeToResponsivenessMs", responsive);
        line.put("completeMs", 2000.0);
        line.put("workRate", List.of(0.0, 0.5, 1.0));
        return line;
    }

    private String report(List<Map<String, Object>> lines) throws Exception {
        Path samples = folder.resolve("samples.jsonl");
        Files.write(samples, lines.stream().map(line -> Json.write(line)).toList());
        return Files.readString(PaperReport.write(samples, folder.resolve("report")));
    }

    @Test
    void showsSizesMediansRatiosAndWhatFailed() throws Exception {
        var lines = new ArrayList<Map<String, Object>>();
        for (int round = 1; round <= 3; round++) {
            lines.add(run("web", "stock-stream", round, 4000.0 + round));
            lines.add(run("web", "eager", round, 2000.0));
            lines.add(run("web", "dormouse", round, round == 3 ? null : 400.0 + round));
        }
        Map<String, Object> failed = run("web", "stock-mapped-ram", 1, null);
        failed.put("failed", "no such luck");
        lines.add(failed);
        Map<String, Object> noState = state("redis");
        noState.keySet().removeAll(List.of("imageBytes", "pages"));
        noState.put("failed", "it ended | early");
        lines.add(noState);

        String report = report(lines);

        assertThat(report)
                .contains("2 of 12 workloads, 10 runs of which 1 failed")
                .contains("| web | 4,295 | 1,000 | - | - | **200** | 500 | 4.7 % | 20 % | 40 % |")
                .contains("| redis | failed: it ended / early |")
                .contains("| web | 4,002 (4,001 to 4,003) | -, 1 failed | 2,000 (2,000 to 2,000) | - | - |"
                        + " 402 (401 to 402), not reached in 1 | 10.0 | 5.0 |")
                .contains("| time to responsiveness, of stock's, sata | 10 % | 1 | 20 % | 50 % (against Xen) |")
                .contains("![work-rate-web-sata](work-rate-web-sata.svg)");
        assertThat(folder.resolve("report/composition.svg")).exists();
        assertThat(folder.resolve("report/index.html"))
                .content()
                .contains("<table>", "<svg")
                .doesNotContain("<img");
    }

    @Test
    void hasAPlaceForWhatPeopleFoundOut() throws Exception {
        Files.createDirectories(folder.resolve("report"));
        Files.writeString(folder.resolve("report/notes.md"), "## Notes\n\nIt rained.\n");

        assertThat(report(List.of(run("idle", "dormouse", 1, 1.0)))).endsWith("It rained.\n");
    }

    @Test
    void tellsHowMuchTheGuestHadDone() throws Exception {
        Map<String, Object> stock = run("web", "stock-stream", 1, 2000.0);
        stock.put(
                "workRate",
                IntStream.range(0, 30).mapToObj(i -> i < 20 ? 0.0 : 1.0).toList());
        Map<String, Object> ours = run("web", "dormouse", 1, 1000.0);
        ours.put(
                "workRate",
                IntStream.range(0, 100).mapToObj(i -> i < 10 ? 0.5 : 1.0).toList());

        assertThat(report(List.of(stock, ours)))
                .contains("| web | 3.00 | - | - | - | - | 4.50 | 1.5 | - |")
                .contains("| work of the first five seconds, of stock's, sata | 150 % | 1 | - | - |");
    }

    @Test
    void tellsAlsoWhereStockHadDoneNothing() throws Exception {
        Map<String, Object> stock = run("web", "stock-stream", 1, 7000.0);
        stock.put("workInFiveSeconds", 0.0);
        Map<String, Object> ours = run("web", "dormouse", 1, 1000.0);
        ours.put("workInFiveSeconds", 4.25);

        assertThat(report(List.of(stock, ours)))
                .contains("| web | 0.00 | - | - | - | - | 4.25 | - | - |")
                .doesNotContain("Infinity", "NaN");
    }

    @Test
    void tellsBetweenWhichNumbersAMedianLies() {
        assertThat(Samples.confidence(new double[] {1, 2, 3})).containsExactly(1, 3);
        assertThat(Samples.confidence(new double[] {1, 2, 3, 4, 5, 6})).containsExactly(1, 6);
        assertThat(Samples.confidence(new double[] {1, 2, 3, 4, 5, 6, 7, 8, 9})).containsExactly(2, 8);
    }
}
