package dev.dormouse.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.DoubleStream;
import org.commonmark.ext.gfm.tables.TablesExtension;
import org.commonmark.parser.Parser;
import org.commonmark.renderer.html.HtmlRenderer;
import org.jspecify.annotations.Nullable;

/// Turns the raw samples of [PaperBench] into a report: Markdown with charts in SVG, and all of it as one page of
/// HTML. A program of its own, which `./dev bench paper` runs at its end; arguments: the file of samples, the folder
/// for the report. A file `notes.md` in that folder becomes a part of it.
final class PaperReport {
    private static final List<String> STRATEGIES = Arrays.stream(RestoreStrategy.values())
            .filter(RestoreStrategy::isOfPaper)
            .map(RestoreStrategy::text)
            .toList();
    private static final List<String> PROFILES =
            Arrays.stream(StorageProfile.values()).map(StorageProfile::text).toList();
    private static final String TTR = "timeToResponsivenessMs";
    private static final String OURS = RestoreStrategy.DORMOUSE.text();
    /// Its random data can be neither left out nor compressed; the paper has no such benchmark.
    private static final String WORST_CASE = PaperWorkload.REDIS.text();

    private static final int CHART_TENTHS = 300;
    private static final int WORK_TENTHS = 50;
    private static final long PAGE_BYTES = 4096;

    private final Samples all;
    private final Path folder;
    private final List<String> workloads;
    private final StringBuilder text = new StringBuilder();

    private PaperReport(Samples all, Path folder) {
        this.all = all;
        this.folder = folder;
        // In the order of the evaluation; behind them what is not of it.
        List<String> order =
                Arrays.stream(PaperWorkload.values()).map(PaperWorkload::text).toList();
        this.workloads = all.values("workload").stream()
                .sorted(Comparator.comparingInt(name -> order.contains(name) ? order.indexOf(name) : order.size()))
                .toList();
    }

    public static void main(String[] arguments) throws IOException {
        Path report = write(Path.of(arguments[0]), Path.of(arguments[1]));
        System.out.print(Files.readString(report));
        System.err.println("dormouse: " + report + ", " + report.resolveSibling("index.html"));
    }

    /// {@return the report in Markdown; `index.html` beside it is the same}
    static Path write(Path samples, Path folder) throws IOException {
        Files.createDirectories(folder);
        var report = new PaperReport(Samples.read(samples).where("bench", "paper"), folder);
        report.head(samples);
        report.sizes();
        for (String profile : PROFILES) {
            report.profile(profile);
        }
        report.worst();
        report.averages();
        report.differences();
        report.notes();
        Path file = Files.writeString(folder.resolve("README.md"), report.text);
        Files.writeString(folder.resolve("index.html"), report.html());
        return file;
    }

    // ---- what was measured

    private void head(Path samples) {
        line("# The paper's evaluation");
        line("");
        line("Made by `./dev bench paper` from `%s`. QEMU %s on %s, %s processors, %s, Linux %s. Revision %s%s."
                .formatted(
                        samples.getFileName(),
                        String.join(", ", all.values("qemuVersion")),
                        all.first("processor"),
                        Samples.text(all.first("processors")),
                        all.first("hostMemory"),
                        all.first("kernel"),
                        String.join(", ", all.values("revision")),
                        all.where("dirty", true).isEmpty() ? "" : ", with changes that are not committed"));
        Samples runs = all.where(line -> line.containsKey("round"));
        line(
                "%d of %d workloads, %d runs of which %d failed. Times in ms from the request to a warm process; median (confidence interval at 95 %%, the range where there are fewer than six runs). `-` was not measured."
                        .formatted(
                                workloads.size(),
                                PaperWorkload.values().length,
                                runs.size(),
                                runs.where(PaperReport::hasFailed).size()));
    }

    private static boolean hasFailed(Map<String, Object> line) {
        return line.containsKey("failed");
    }

    /// {@return the lines of a workload of which the state could be made}
    private Samples states(String workload) {
        return all.where("workload", workload).where(line -> line.containsKey("imageBytes"));
    }

    // ---- sizes

    private void sizes() throws IOException {
        line("");
        line("## Image sizes");
        line("");
        line(
                "| benchmark | memory | not zero | stock stream | stock mapped-ram | dormouse | on-disk class off | : memory | : not zero | : class off | suspend, ms | stock's save, ms |");
        line("|---|---|---|---|---|---|---|---|---|---|---|---|");
        for (String workload : workloads) {
            size(workload, states(workload));
        }
        line("");
        line(
                "MB. *On-disk class off*: an image of a moment before, in which nothing is left to the disk. Stock's save is of the same state, by the quicker of its two means, synced.");
        composition();
    }

    private void size(String workload, Samples states) {
        if (states.isEmpty()) {
            line("| %s | failed: %s |||||||||||".formatted(workload, failure(all.where("workload", workload))));
            return;
        }
        double image = states.median("imageBytes");
        line("| %s | %s | %s | %s | %s | **%s** | %s | %s | %s | %s | %s | %s |"
                .formatted(
                        workload,
                        mega(memory(states)),
                        mega(states.median("nonZeroBytes")),
                        mega(states.median("stock-streamBytes")),
                        mega(states.median("stock-mapped-ramBytes")),
                        mega(image),
                        mega(states.median("selfContainedImageBytes")),
                        percent(image / memory(states)),
                        percent(image / states.median("nonZeroBytes")),
                        percent(image / states.median("selfContainedImageBytes")),
                        millis(states.median("suspendMs")),
                        millis(smaller(states.median("stock-streamSaveMs"), states.median("stock-mapped-ramSaveMs")))));
    }

    private static double memory(Samples states) {
        return pages(states, "total") * PAGE_BYTES;
    }

    private static double pages(Samples states, String pageClass) {
        return states.first("pages") instanceof Map<?, ?> pages && pages.get(pageClass) instanceof Number number
                ? number.doubleValue()
                : Double.NaN;
    }

    /// {@return the smaller number; the other one if one is not there}
    private static double smaller(double a, double b) {
        return Double.isNaN(a) || b < a ? b : a;
    }

    /// {@return the larger number; the other one if one is not there}
    private static double larger(double a, double b) {
        return -smaller(-a, -b);
    }

    private void composition() throws IOException {
        List<String> made =
                workloads.stream().filter(name -> !states(name).isEmpty()).toList();
        if (made.isEmpty()) {
            return;
        }
        var parts = new LinkedHashMap<String, double[]>();
        for (String pageClass : List.of("stored", "duplicate", "onDisk", "zero")) {
            parts.put(
                    pageClass,
                    made.stream()
                            .mapToDouble(name -> pages(states(name), pageClass) * PAGE_BYTES / 1e9)
                            .toArray());
        }
        SvgChart.writeBars("what memory consists of", "GB", made, parts, folder.resolve("composition.svg"));
        image("composition");
    }

    // ---- times

    private void profile(String profile) throws IOException {
        Samples runs = all.where("profile", profile);
        if (runs.isEmpty()) {
            return;
        }
        line("");
        line("## " + title(profile));
        Samples missing = runs.where(line -> line.containsKey("notAvailable"));
        if (runs.size() == missing.size()) {
            line("");
            line("Not available on this host: " + missing.first("notAvailable"));
            return;
        }
        responsiveness(runs);
        work(runs);
        first(runs);
        costs(runs);
        for (String workload : workloads) {
            var chart = new SvgChart(
                            "%s, %s: work of the guest".formatted(workload, profile),
                            "seconds from the request",
                            "share of the normal rate")
                    .yMax(1.5);
            for (String strategy : STRATEGIES) {
                chart.tenths(strategy, good(runs, workload, strategy).medians("workRate", CHART_TENTHS));
            }
            String name = "work-rate-%s-%s".formatted(workload, profile);
            if (chart.write(folder.resolve(name + ".svg"))) {
                image(name);
            }
        }
    }

    private static String title(String profile) {
        return switch (profile) {
            case "warm" -> "This machine's storage, warm";
            case "cold" -> "This machine's storage, cold";
            default -> profile + ", cold";
        };
    }

    private static Samples good(Samples runs, String workload, String strategy) {
        return runs.where("workload", workload)
                .where("strategy", strategy)
                .where(line -> line.containsKey("round") && !hasFailed(line));
    }

    private void responsiveness(Samples runs) {
        line("");
        line("Time to responsiveness, measured in the guest:");
        line("");
        line("| benchmark | %s | stock : dormouse | eager : dormouse |".formatted(String.join(" | ", STRATEGIES)));
        line("|---|" + "---|".repeat(STRATEGIES.size() + 2));
        for (String workload : workloads) {
            var row = new StringBuilder("| " + workload);
            for (String strategy : STRATEGIES) {
                row.append(" | ").append(cell(runs, workload, strategy));
            }
            line("%s | %s | %s |"
                    .formatted(
                            row,
                            ratio(stock(runs, workload) / ttr(runs, workload, OURS)),
                            ratio(ttr(runs, workload, RestoreStrategy.EAGER.text()) / ttr(runs, workload, OURS))));
        }
    }

    private static String cell(Samples runs, String workload, String strategy) {
        Samples tried = runs.where("workload", workload).where("strategy", strategy);
        Samples good = good(runs, workload, strategy);
        int failed = tried.where(PaperReport::hasFailed).size();
        int missed = good.size() - good.numbers(TTR).length;
        return (good.isEmpty() ? "-" : good.size() == missed ? "not reached" : both(good.numbers(TTR)))
                + (missed > 0 && missed < good.size() ? ", not reached in %d".formatted(missed) : "")
                + (failed > 0 ? ", %d failed".formatted(failed) : "");
    }

    /// {@return the median; NaN unless more than half of the runs came to be responsive}
    private static double ttr(Samples runs, String workload, String strategy) {
        Samples good = good(runs, workload, strategy);
        double[] reached = good.numbers(TTR);
        return 2 * reached.length > good.size() ? good.median(TTR) : Double.NaN;
    }

    private static double stock(Samples runs, String workload) {
        return smaller(
                ttr(runs, workload, RestoreStrategy.STOCK_STREAM.text()),
                ttr(runs, workload, RestoreStrategy.STOCK_MAPPED_RAM.text()));
    }

    /// No threshold decides it, so it tells more than a time where the rate of a workload, or of the machine, varies.
    private void work(Samples runs) {
        line("");
        line(
                "Work that the guest had done five seconds after the request, in seconds of its normal work (of runs that were not watched for so long: they are taken to have gone on as in their last second):");
        line("");
        line("| benchmark | %s | dormouse : stock | dormouse : eager |".formatted(String.join(" | ", STRATEGIES)));
        line("|---|" + "---|".repeat(STRATEGIES.size() + 2));
        for (String workload : workloads) {
            var row = new StringBuilder("| " + workload);
            for (String strategy : STRATEGIES) {
                row.append(" | ").append(decimals(workDone(runs, workload, strategy)));
            }
            double ours = workDone(runs, workload, OURS);
            line("%s | %s | %s |"
                    .formatted(
                            row,
                            ratio(ours / stockWork(runs, workload)),
                            ratio(ours / workDone(runs, workload, RestoreStrategy.EAGER.text()))));
        }
    }

    private static double stockWork(Samples runs, String workload) {
        return larger(
                workDone(runs, workload, RestoreStrategy.STOCK_STREAM.text()),
                workDone(runs, workload, RestoreStrategy.STOCK_MAPPED_RAM.text()));
    }

    private static double workDone(Samples runs, String workload, String strategy) {
        return Samples.median(good(runs, workload, strategy).lines().stream()
                .mapToDouble(PaperReport::workDone)
                .filter(Double::isFinite)
                .sorted()
                .toArray());
    }

    private static double workDone(Map<String, Object> line) {
        return line.get("workInFiveSeconds") instanceof Number work
                ? work.doubleValue()
                : new Samples(List.of(line))
                        .series("workRate").stream()
                                .mapToDouble(tenths -> workDone(tenths, line))
                                .findFirst()
                                .orElse(Double.NaN);
    }

    /// Of older samples. A rate is that of a window that begins there: the last ones end where the five seconds end.
    private static double workDone(double[] tenths, Map<String, Object> line) {
        if (tenths.length < 10) {
            return Double.NaN;
        }
        int window = line.get("windowMs") instanceof Number millis ? millis.intValue() / 100 : 1;
        int places = WORK_TENTHS - Math.max(0, window - 1);
        double last = Arrays.stream(tenths, tenths.length - 10, tenths.length)
                .average()
                .orElseThrow();
        double sum = Arrays.stream(tenths).limit(places).sum();
        return (sum + Math.max(0, places - tenths.length) * last) / 10;
    }

    private void first(Samples runs) {
        line("");
        line("First response / every page there:");
        line("");
        line("| benchmark | %s |".formatted(String.join(" | ", STRATEGIES)));
        line("|---|" + "---|".repeat(STRATEGIES.size()));
        for (String workload : workloads) {
            var row = new StringBuilder("| " + workload);
            for (String strategy : STRATEGIES) {
                Samples good = good(runs, workload, strategy);
                row.append(" | ")
                        .append(millis(good.median("firstResponseMs")))
                        .append(" / ")
                        .append(millis(good.median("completeMs")));
            }
            line(row + " |");
        }
    }

    private void costs(Samples runs) {
        line("");
        line(
                "What the lazy ways cost, and the processor time of all until every page was there (seconds, QEMU + the rest). The dense parts of the recorded set go before RUN, the rest ahead of the background; where the guest is known to want most of its memory nearly all of that goes before RUN, at full speed. What the guest wanted is estimated from pages that are held back.");
        line("");
        line(
                "| benchmark | plain-lazy: demands, p50 / p99 µs | dormouse: demands, p50 / p99 µs | before RUN, of what is not zero | set behind RUN | of which the guest wanted | it wanted of all | CPU: stock-stream | eager | plain-lazy | dormouse |");
        line("|---|---|---|---|---|---|---|---|---|---|---|");
        for (String workload : workloads) {
            Samples ours = good(runs, workload, OURS);
            double pages = ours.median("nonZeroBytes") / PAGE_BYTES;
            line("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |"
                    .formatted(
                            workload,
                            demands(good(runs, workload, RestoreStrategy.PLAIN_LAZY.text())),
                            demands(ours),
                            percent(ours.median("pagesBeforeRun") / pages),
                            percent(ours.median("workingSetPages") / pages),
                            percent(ours.median("workingSetHitRate")),
                            percent(ours.median("wantedShare")),
                            processor(good(runs, workload, RestoreStrategy.STOCK_STREAM.text())),
                            processor(good(runs, workload, RestoreStrategy.EAGER.text())),
                            processor(good(runs, workload, RestoreStrategy.PLAIN_LAZY.text())),
                            processor(ours)));
        }
    }

    private static String demands(Samples good) {
        return good.numbers("demandedPages").length == 0
                ? "-"
                : String.format(
                        Locale.ROOT,
                        "%,.0f, %.0f / %.0f",
                        good.median("demandedPages"),
                        good.median("demandMicrosP50"),
                        good.median("demandMicrosP99"));
    }

    private static String processor(Samples good) {
        return good.numbers("qemuProcessorSeconds").length == 0
                ? "-"
                : String.format(
                        Locale.ROOT,
                        "%.1f + %.1f",
                        good.median("qemuProcessorSeconds"),
                        good.median("serverProcessorSeconds"));
    }

    // ---- what bounds the worst rows

    private void worst() {
        line("");
        line("## What bounds the worst rows");
        line("");
        line(
                "The row of each profile in which dormouse gains least. *Windows*: over which the rate of this workload can be told, and the share of instants at which the guest counts as responsive when nobody disturbs it: what is far below 100 % has times to responsiveness that are chance to that degree.");
        line("");
        line(
                "| profile | benchmark | stock : dormouse | runs after | responsive after | complete after | read, MB | demands x median, ms | placed, GB/s | windows, ms | held, undisturbed |");
        line("|---|---|---|---|---|---|---|---|---|---|---|");
        for (String profile : PROFILES) {
            Samples runs = all.where("profile", profile);
            workloads.stream()
                    .filter(name -> !good(runs, name, OURS).isEmpty())
                    .min(Comparator.comparingDouble(name -> gain(runs, name)))
                    .ifPresent(name -> worst(profile, name, runs));
        }
    }

    /// A workload that did not come to be responsive, while stock did, has gained nothing.
    private static double gain(Samples runs, String workload) {
        double gain = stock(runs, workload) / ttr(runs, workload, OURS);
        return Double.isNaN(gain) ? (Double.isNaN(ttr(runs, workload, OURS)) ? 0 : Double.MAX_VALUE) : gain;
    }

    private void worst(String profile, String workload, Samples runs) {
        Samples ours = good(runs, workload, OURS);
        line("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |"
                .formatted(
                        profile,
                        workload,
                        ratio(stock(runs, workload) / ttr(runs, workload, OURS)),
                        millis(ours.median("runningMs")),
                        cell(runs, workload, OURS),
                        millis(ours.median("completeMs")),
                        mega(ours.median("readBytes")),
                        millis(ours.median("demandedPages") * ours.median("demandMicrosP50") / 1e3),
                        decimals(ours.median("placedGigabytesPerSecond")),
                        Samples.text(ours.first("windowMs")),
                        percent(ours.median("baselineHeld"))));
    }

    // ---- the paper's averages beside ours

    private void averages() {
        line("");
        line("## Averages, beside the paper's");
        line("");
        line("| | ours | of workloads | target | the paper |");
        line("|---|---|---|---|---|");
        List<Samples> states = workloads.stream()
                .filter(name -> !name.equals(WORST_CASE))
                .map(this::states)
                .filter(samples -> !samples.isEmpty())
                .toList();
        average(
                "image below memory, without " + WORST_CASE,
                states.stream().mapToDouble(of -> 1 - of.median("imageBytes") / memory(of)),
                "85 %",
                "up to 80 %");
        average(
                "image below what is not zero, without " + WORST_CASE,
                states.stream().mapToDouble(of -> 1 - of.median("imageBytes") / of.median("nonZeroBytes")),
                "60 %",
                "-");
        for (String profile : PROFILES) {
            Samples runs = all.where("profile", profile);
            average(
                    "time to responsiveness, of stock's, " + profile,
                    workloads.stream().mapToDouble(name -> ttr(runs, name, OURS) / stock(runs, name)),
                    profile.equals("sata") ? "20 %" : "below 100 % each",
                    "50 % (against Xen)");
        }
        for (String profile : PROFILES) {
            Samples runs = all.where("profile", profile);
            double[] gains = workloads.stream()
                    .mapToDouble(name -> ttr(runs, name, RestoreStrategy.EAGER.text()) / ttr(runs, name, OURS))
                    .filter(Double::isFinite)
                    .toArray();
            if (gains.length > 0) {
                line("| quicker than the space-optimised eager restore, %s | %s | %d | 5 | 3 |"
                        .formatted(profile, ratio(Arrays.stream(gains).average().orElse(Double.NaN)), gains.length));
            }
        }
        for (String profile : PROFILES) {
            work(profile, all.where("profile", profile));
        }
        line("");
        line(
                "Means over the workloads of which both sides were measured, and, for the times, came to be responsive in more than half of their runs; how many those are is beside them.");
    }

    /// Of the sums: stock may have done nothing at all.
    private void work(String profile, Samples runs) {
        double ours = 0;
        double stock = 0;
        int count = 0;
        for (String name : workloads) {
            double both = workDone(runs, name, OURS) + stockWork(runs, name);
            if (Double.isFinite(both)) {
                ours += workDone(runs, name, OURS);
                stock += stockWork(runs, name);
                count++;
            }
        }
        if (stock > 0) {
            line("| work of the first five seconds, of stock's, %s | %s | %d | - | - |"
                    .formatted(profile, percent(ours / stock), count));
        }
    }

    private void average(String name, DoubleStream shares, String target, String paper) {
        double[] found = shares.filter(Double::isFinite).toArray();
        if (found.length > 0) {
            line("| %s | %s | %d | %s | %s |"
                    .formatted(
                            name,
                            percent(Arrays.stream(found).average().orElse(Double.NaN)),
                            found.length,
                            target,
                            paper));
        }
    }

    private void differences() {
        line("");
        line("## What differs from the paper");
        line("");
        line(
                "The paper measured Xen on hardware virtualisation, with paravirtual guests whose hypervisor was changed, disks of its day, and its own implementations of both sides. Here QEMU is stock, and it emulates: a guest runs some ten times slower than on a processor that virtualises, so it touches fewer pages in a second, which is to the advantage of every lazy way, and its work competes with the page server for the same two processors, which is to their disadvantage. The machine is itself a virtual one whose new memory comes at very different speeds. Storage is either this machine's, or a limit of bytes and operations on it; latencies of a real disk or network are not in it. Guests are Debian 12 without systemd, whose only processes are the workload's, so they have less in memory that nobody uses than a server that has run for weeks. Stock's files are of the same state as our image: QEMU loaded that and saved it again before the guest ran.");
    }

    private void notes() throws IOException {
        Path notes = folder.resolve("notes.md");
        if (Files.exists(notes)) {
            line("");
            line(Files.readString(notes).strip());
        }
    }

    // ---- output

    /// {@return the report as a page that needs no other file}
    private String html() throws IOException {
        var extensions = List.of(TablesExtension.create());
        String body = HtmlRenderer.builder()
                .extensions(extensions)
                .build()
                .render(Parser.builder().extensions(extensions).build().parse(text.toString()));
        for (String name : charts()) {
            String svg = Files.readString(folder.resolve(name + ".svg"));
            body = body.replace(
                    "<img src=\"%s.svg\" alt=\"%s\" />".formatted(name, name), svg.substring(svg.indexOf("<svg")));
        }
        return """
                <!DOCTYPE html>
                <html lang="en"><head><meta charset="utf-8"><title>The paper's evaluation</title>
                <style>body{font-family:sans-serif;max-width:75em;margin:2em auto;padding:0 1em}\
                table{border-collapse:collapse;font-size:85%}td,th{border:1px solid #bbb;padding:.2em .5em;text-align:right}\
                td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}</style></head>
                <body>
                """ + body + "</body></html>\n";
    }

    private List<String> charts() {
        return text.toString()
                .lines()
                .filter(line -> line.startsWith("!["))
                .map(line -> line.substring(2, line.indexOf(']')))
                .toList();
    }

    private void image(String name) {
        line("");
        line("![%s](%s.svg)".formatted(name, name));
    }

    private static String failure(Samples samples) {
        return Objects.toString(samples.where(PaperReport::hasFailed).first("failed"), "no state")
                .replace('|', '/')
                .replace('\n', ' ');
    }

    private static String both(double[] sorted) {
        double[] interval = Samples.confidence(sorted);
        return "%s (%s to %s)".formatted(millis(Samples.median(sorted)), millis(interval[0]), millis(interval[1]));
    }

    private static String millis(double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%,.0f", value);
    }

    private static String mega(double bytes) {
        return Double.isNaN(bytes) ? "-" : String.format(Locale.ROOT, "%,.0f", bytes / 1e6);
    }

    private static String percent(double share) {
        boolean small = Math.abs(share) < 0.1;
        return Double.isNaN(share) ? "-" : String.format(Locale.ROOT, small ? "%.1f %%" : "%.0f %%", 100 * share);
    }

    private static String ratio(double value) {
        return !Double.isFinite(value) ? "-" : String.format(Locale.ROOT, "%.1f", value);
    }

    private static String decimals(double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.2f", value);
    }

    private void line(@Nullable String content) {
        text.append(content).append('\n');
    }
}
