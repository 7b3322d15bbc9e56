package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
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
        line.put("rehearsal", Map.of("copiesBytes", 50_000_000));
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
        Map<String, Object> warmUp = state("web");
        warmUp.putAll(Map.of("warmUp", true, "strategy", "dormouse-first", "failed", "its memory is damaged"));
        lines.add(warmUp);

        String report = report(lines);

        assertThat(report)
                .contains("2 of 12 workloads, 10 runs of which 1 failed; states that failed: 1,"
                        + " restores to warm up that failed: 1.")
                .contains("| web | 4,295 | 1,000 | - | - | **200** | 50 | 500 | 5.8 % | 25 % | 50 % |")
                .contains("| redis | failed: it ended / early |")
                .contains("| web | 4,002 (4,001 to 4,003) | failed | 2,000 (2,000 to 2,000) | - | - |"
                        + " 402 (401 to never), not reached in 1 of 3 | 10.0 | 5.0 |")
                .contains("| redis | failed | failed | failed | failed | failed | failed | - | - |")
                .contains("| time to responsiveness, of stock's, sata | 10 % | 1 | redis | at most 20 % | yes |"
                        + " 50 % (against Xen) |")
                .contains("![work-rate-web-sata](work-rate-web-sata.svg)");
        assertThat(folder.resolve("report/composition.svg")).exists();
        assertThat(folder.resolve("report/index.html"))
                .content()
                .contains("<table>", "<svg")
                .doesNotContain("<img");
    }

    @Test
    void namesEachMachineWithWhatItMeasured() throws Exception {
        var lines = new ArrayList<Map<String, Object>>();
        for (String workload : List.of("web", "idle", "redis")) {
            Map<String, Object> line = run(workload, "dormouse", 1, 400.0);
            line.put("processor", workload.equals("redis") ? "a slow one" : "a fast one");
            lines.add(line);
        }

        assertThat(report(lines)).contains(" on a fast one (idle, web) and a slow one (redis), ");
    }

    @Test
    void countsARunThatWasNeverResponsiveAsInfinitelyLong() throws Exception {
        var lines = new ArrayList<Map<String, Object>>();
        List<@Nullable Double> once = Arrays.asList(2579.0, null, null);
        List<@Nullable Double> twice = Arrays.asList(null, 2579.0, 3071.0);
        for (int round = 1; round <= 3; round++) {
            lines.add(run("web", "stock-stream", round, once.get(round - 1)));
            lines.add(run("web", "stock-mapped-ram", round, twice.get(round - 1)));
            lines.add(run("web", "eager", round, 9000.0));
            lines.add(run("web", "dormouse", round, once.get(round - 1)));
        }

        assertThat(report(lines))
                .contains("| web | not reached in 2 of 3 | 3,071 (2,579 to never), not reached in 1 of 3 |"
                        + " 9,000 (9,000 to 9,000) | - | - | not reached in 2 of 3 | - | - |")
                .contains("| time to responsiveness, of stock's, sata | - | 0 | web | at most 20 % | **no** |")
                .contains(
                        "| quicker than the space-optimised eager restore, sata | - | 0 | web | at least 5.0 | **no** |")
                .contains("| workloads slower than stock in any profile |"
                        + " 1: web (sata: not reached, stock 3,071) | 1 | - | none | **no** |");
    }

    @Test
    void leavesOutARunThatWasMadeOnceMoreAndSaysSo() throws Exception {
        Map<String, Object> disturbed = run("web", "dormouse", 1, 9000.0);
        disturbed.putAll(Map.of("disturbed", true, "pausedMs", 2000.0));
        Map<String, Object> again = run("web", "dormouse", 1, 400.0);
        again.put("pausedMs", 0.0);
        Map<String, Object> asWell = run("web", "dormouse", 2, 410.0);
        asWell.put("pausedMs", 300.0);

        assertThat(report(List.of(disturbed, again, asWell)))
                .contains("2 runs of which 0 failed")
                .contains("or more: 1 that were made once more and do not count, 1 that count.")
                .contains("405 (400 to 410)");
    }

    @Test
    void comparesInThePapersFormAndWithTheTargets() throws Exception {
        var lines = new ArrayList<Map<String, Object>>();
        for (String workload : List.of("web", "jvm", "idle")) {
            Map<String, Object> stock = run(workload, "stock-stream", 1, 4000.0);
            Map<String, Object> eager = run(workload, "eager", 1, workload.equals("idle") ? 5000.0 : 1000.0);
            Map<String, Object> ours = run(workload, "dormouse", 1, workload.equals("jvm") ? 5000.0 : 400.0);
            List<Map<String, Object>> all = List.of(stock, eager, ours);
            all.forEach(line -> line.put("stock-streamBytes", 1_000_000_000));
            if (workload.equals("jvm")) { // Little of it is on the disk.
                all.forEach(line -> line.put(
                        "pages",
                        Map.of("total", 1 << 20, "zero", 800_000, "onDisk", 1000, "duplicate", 0, "stored", 247_576)));
            }
            eager.put("runningMs", 1000.0);
            eager.put("readBytes", workload.equals("idle") ? 390_000_000L : 410_000_000L);
            ours.put("shareBeforeRun", workload.equals("web") ? 0.97 : 0.2);
            lines.addAll(all);
        }

        assertThat(report(lines))
                .contains("| web | 1,000 | 4,000 | 200 (20 %) | 1,000 (25 %) | 250 (25 %) | 400 (10 %) † | 2.5 |")
                .contains("| jvm | 1,000 | 4,000 | 200 (20 %) | 1,000 (25 %) | 250 (25 %) | 5,000 (125 %) | 0.2 |")
                .contains("| idle | 1,000 | 4,000 | 200 (20 %) | 5,000 (125 %) ‡ | 250 (25 %) | 400 (10 %) | - |")
                .contains("| **mean, of stock's** | 100 % | 100 % | 20 % | 58 % | **25 %** | **48 %** | **1.4** |")
                .contains(
                        "smaller than stock's file by 75 %, dormouse takes 48 % of",
                        "left out of one mean or all: idle.")
                .contains("it read its files at less than 0.40 GB/s", "(idle 0.39)")
                .contains("at full speed: dormouse of web 97 %.")
                .contains(
                        "| image and copies below memory, without redis | 94 % | 3 | - | at least 85 % | yes | up to 80 % |")
                .contains(
                        "| image and copies below what is not zero, without redis | 75 % | 3 | - | at least 60 % | yes | - |")
                .contains("on-disk class off, heavy on the page cache | 50 % | 2 | - | at least 40 % | yes | - |")
                .contains("| time to responsiveness, of stock's, sata | 48 % | 3 | - | at most 20 % | **no** |")
                .contains("eager restore, sata | 1.4 | 2 | idle | at least 5.0 | **no** | 3 |")
                .contains("| workloads slower than stock in any profile |"
                        + " 1: jvm (sata: 5,000, stock 4,000) | 3 | - | none | **no** | - |");
    }

    @Test
    void tellsStatesAndRevisionsApart() throws Exception {
        Map<String, Object> first = run("web", "dormouse", 1, 400.0);
        Map<String, Object> second = run("web", "dormouse", 2, 500.0);
        first.putAll(Map.of("state", "a", "revision", "1"));
        second.putAll(Map.of("state", "b", "revision", "1"));

        assertThat(report(List.of(first, second, run("idle", "dormouse", 1, 1.0))))
                .contains("| web (states: 2, revisions: 1) | -", "| idle | -");
    }

    @Test
    void showsWhatTheImageConsistsOfWhereTheSamplesSaySo() throws Exception {
        Map<String, Object> line = run("web", "dormouse", 1, 400.0);
        line.put("imageParts", Map.of("stored", 180_000_000, "pageTable", 19_500_000, "heatOrder", 500_000));
        line.put("floorMs", 70.0);

        assertThat(report(List.of(line, run("idle", "dormouse", 1, 1.0))))
                .contains("| benchmark | stored pages | page table |")
                .contains("![image-composition](image-composition.svg)")
                .contains(" / 2,000 | 70 |");
        assertThat(folder.resolve("report/image-composition.svg")).exists();
    }

    @Test
    void givesTheChartsOfOnePageNamesOfTheirOwn() throws Exception {
        report(List.of(run("web", "dormouse", 1, 400.0), run("idle", "dormouse", 1, 400.0)));

        String page = Files.readString(folder.resolve("report/index.html"));
        List<String> names = Pattern.compile("\\bid=\"([^\"]*)\"")
                .matcher(page)
                .results()
                .map(found -> found.group(1))
                .toList();
        assertThat(names).isNotEmpty().doesNotHaveDuplicates();
        assertThat(Pattern.compile("url\\(#([^)]*)\\)").matcher(page).results().map(found -> found.group(1)))
                .isNotEmpty()
                .allSatisfy(used -> assertThat(names).contains(used));
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
                .contains("| web | 3.00 (3.00 to 3.00) | - | - | - | - | 4.50 (4.50 to 4.50) | 1.5 | - |")
                .contains("| work of the first five seconds, of stock's (of the sums), sata | 150 % | 1 | - |");
    }

    @Test
    void tellsAlsoWhereStockHadDoneNothing() throws Exception {
        Map<String, Object> stock = run("web", "stock-stream", 1, 7000.0);
        stock.put("workInFiveSeconds", 0.0);
        Map<String, Object> ours = run("web", "dormouse", 1, 1000.0);
        ours.put("workInFiveSeconds", 4.25);

        assertThat(report(List.of(stock, ours)))
                .contains("| web | 0.00 (0.00 to 0.00) | - | - | - | - | 4.25 (4.25 to 4.25) | - | - |")
                .doesNotContain("Infinity", "NaN");
    }

    @Test
    void tellsBetweenWhichNumbersAMedianLies() {
        assertThat(Samples.confidence(new double[] {1, 2, 3})).containsExactly(1, 3);
        assertThat(Samples.confidence(new double[] {1, 2, 3, 4, 5, 6})).containsExactly(1, 6);
        assertThat(Samples.confidence(new double[] {1, 2, 3, 4, 5, 6, 7, 8, 9})).containsExactly(2, 8);
    }
}
