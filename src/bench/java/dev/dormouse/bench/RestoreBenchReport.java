package dev.dormouse.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Turns the raw samples of [RestoreBench] into a report: tables in Markdown, charts in SVG. A program of its own,
/// which `./dev bench restore` runs at its end; arguments: the file of samples, the folder for the report.
final class RestoreBenchReport {
    private static final List<String> STRATEGIES =
            Arrays.stream(RestoreStrategy.values()).map(RestoreStrategy::text).toList();
    private static final List<String> PROFILES =
            Arrays.stream(StorageProfile.values()).map(StorageProfile::text).toList();
    /// What the chart of the work rate shows at the most, tenths of a second.
    private static final int CHART_TENTHS = 300;

    private final Samples all;
    private final Path folder;
    private final StringBuilder text = new StringBuilder();

    private RestoreBenchReport(Samples all, Path folder) {
        this.all = all;
        this.folder = folder;
    }

    public static void main(String[] arguments) throws IOException {
        Path report = write(Path.of(arguments[0]), Path.of(arguments[1]));
        System.out.print(Files.readString(report));
        System.err.println("dormouse: " + report);
    }

    /// {@return the file with the report}
    static Path write(Path samples, Path folder) throws IOException {
        Files.createDirectories(folder);
        Samples all = Samples.read(samples);
        var report = new RestoreBenchReport(all.undisturbed(), folder);
        report.head(samples);
        report.line("");
        report.line(all.disturbed());
        for (String qemu : report.all.values("qemuVersion")) {
            Samples ofQemu = report.all.where("qemuVersion", qemu);
            for (String workingSet : ofQemu.values("workingSetMebibytes")) {
                report.state(
                        qemu,
                        workingSet,
                        ofQemu.where(line -> workingSet.equals(Samples.text(line.get("workingSetMebibytes")))));
            }
        }
        report.together();
        report.copyLoop();
        Path file = folder.resolve("report.md");
        return Files.writeString(file, report.text);
    }

    private void head(Path samples) {
        line("# Restores compared");
        line("");
        line("Raw samples: `%s`. Machine: %s, %s processors, %s, Linux %s. Revision %s%s."
                .formatted(
                        samples.getFileName(),
                        String.join(" and ", all.values("processor")),
                        number(all.first("processors")),
                        all.first("hostMemory"),
                        all.first("kernel"),
                        String.join(", ", all.values("revision")),
                        !all.where("dirty", true).isEmpty() ? ", with changes that are not committed" : ""));
        line(
                "Median / 95th percentile; times in ms from the request. Ratios are of medians. A guest that was not as fast as before while it was watched took infinitely long.");
    }

    private void state(String qemu, String workingSet, Samples samples) throws IOException {
        line("");
        line("## QEMU %s, working set of %s MiB".formatted(qemu, workingSet));
        line("");
        line(
                "%s, %s memory; %.2f GB are not zero (%s), image %.2f GB; %s MiB of pages whose bytes are to %s %% incompressible; normal rate %s touches a second, 5th percentile %.2f of it."
                        .formatted(
                                samples.first("memory"),
                                samples.first("memoryBackend"),
                                giga(samples.first("nonZeroBytes")),
                                samples.first("pages"),
                                giga(samples.first("imageBytes")),
                                number(samples.first("patternMebibytes")),
                                number(samples.first("entropyPercent")),
                                number(samples.first("baselineRate")),
                                real(samples.first("baselineSpread"))));
        Samples measured = samples.where(line -> line.containsKey("round"));
        firstResponseTarget(measured);
        for (String profile : PROFILES) {
            profile(
                    samples,
                    measured.where("profile", profile),
                    profile,
                    "%s-%s-%s".formatted(qemu.split("[ (]", 2)[0], workingSet, profile));
        }
    }

    /// QEMU's own start and the floor, both measured in this run, are what a first response cannot be quicker than.
    private void firstResponseTarget(Samples measured) {
        Samples warm =
                measured.where("profile", "warm").where("loaded", false).where(line -> !line.containsKey("failed"));
        double ready = warm.where(line -> String.valueOf(line.get("strategy")).startsWith("stock"))
                .median("qemuReadyMs");
        double floor = warm.median("floorMs");
        line("");
        line(
                "QEMU from exec to its monitor's greeting, warm: %s. Floor (all in place, `cont` to the nonce's echo): %s. Together and 40 ms: %s."
                        .formatted(millis(ready), millis(floor), millis(ready + floor + 40)));
    }

    private void profile(Samples all, Samples samples, String profile, String name) throws IOException {
        Samples missing = all.where("profile", profile).where(line -> line.containsKey("notAvailable"));
        if (samples.isEmpty() && missing.isEmpty()) {
            return;
        }
        line("");
        line("### " + profile);
        line("");
        if (samples.isEmpty()) {
            line("Not available on this host: " + missing.first("notAvailable"));
            return;
        }
        Samples quiet = samples.where("loaded", false);
        times(quiet);
        line("");
        costs(quiet);
        Samples loaded = samples.where("loaded", true);
        if (!loaded.isEmpty()) {
            line("");
            line(
                    "The guest also reads 2,000 pages outside of its set and allocates memory, right after its first response:");
            line("");
            loaded(loaded);
        }
        charts(quiet, loaded, name);
    }

    private void times(Samples samples) {
        Samples stock = fastestStock(samples);
        Samples eager = of(samples, RestoreStrategy.EAGER.text());
        line(
                "| %s | runs | first response | time to responsiveness | complete | TTR: stock / this | TTR: eager / this |"
                        .formatted("way"));
        line("|---|---|---|---|---|---|---|");
        for (String strategy : STRATEGIES) {
            Samples runs = samples.where("strategy", strategy);
            if (runs.isEmpty()) {
                continue;
            }
            Samples good = runs.where(line -> !line.containsKey("failed"));
            int failed = runs.size() - good.size();
            line("| %s | %d%s | %s | %s | %s | %s | %s |"
                    .formatted(
                            strategy,
                            runs.size(),
                            failed == 0 ? "" : ", %d failed".formatted(failed),
                            both(good, "firstResponseMs"),
                            reached(good),
                            both(good, "completeMs"),
                            ratio(stock, good),
                            ratio(eager, good)));
        }
    }

    private static Samples of(Samples samples, String strategy) {
        return samples.where("strategy", strategy).where(line -> !line.containsKey("failed"));
    }

    /// {@return the runs of QEMU's own way whose median is the best}
    private static Samples fastestStock(Samples samples) {
        Samples stream = of(samples, RestoreStrategy.STOCK_STREAM.text());
        Samples mapped = of(samples, RestoreStrategy.STOCK_MAPPED_RAM.text());
        boolean mappedWins = stream.isEmpty() || time(mapped) < time(stream);
        return mappedWins ? mapped : stream;
    }

    private static String reached(Samples samples) {
        double[] times = samples.timesToResponsiveness();
        long missed = Arrays.stream(times).filter(Double::isInfinite).count();
        if (times.length == 0) {
            return Cells.NOT_MEASURED;
        }
        return missed == times.length
                ? Cells.NOT_REACHED
                : "%s / %s%s"
                        .formatted(
                                Cells.millis(Samples.median(times)),
                                Cells.millis(Samples.quantile(times, 0.95)),
                                missed == 0 ? "" : ", not reached in " + missed);
    }

    private static double time(Samples samples) {
        return Samples.median(samples.timesToResponsiveness());
    }

    private static String ratio(Samples theirs, Samples ours) {
        double ratio = PaperRuns.quotient(time(theirs), time(ours));
        return Double.isNaN(ratio) ? "" : Cells.ratio(ratio);
    }

    private void costs(Samples samples) {
        line(
                "| way | lowest 500 ms after TTR, lowest / median | demands (zero) | demand µs, p50 / p99 / max | placed GB/s | read MB | CPU s, QEMU / server | QEMU ready |");
        line("|---|---|---|---|---|---|---|---|");
        for (String strategy : STRATEGIES) {
            Samples good = of(samples, strategy);
            if (good.isEmpty()) {
                continue;
            }
            boolean lazy = good.numbers("demandedPages").length > 0;
            line("| %s | %s | %s | %s | %.2f | %.0f | %.1f / %.1f | %s |"
                    .formatted(
                            strategy,
                            lowest(good),
                            lazy
                                    ? "%.0f (%.0f)"
                                            .formatted(good.median("demandedPages"), good.median("demandedZeroPages"))
                                    : "",
                            lazy
                                    ? "%.0f / %.0f / %.0f"
                                            .formatted(
                                                    good.median("demandMicrosP50"),
                                                    good.median("demandMicrosP99"),
                                                    good.median("demandMicrosMax"))
                                    : "",
                            good.median("placedGigabytesPerSecond"),
                            good.median("readBytes") / 1e6,
                            good.median("qemuProcessorSeconds"),
                            good.median("serverProcessorSeconds"),
                            millis(good.median("qemuReadyMs"))));
        }
    }

    private static String lowest(Samples samples) {
        double[] rates = samples.numbers("lowestWorkRate");
        return rates.length == 0 ? "" : String.format(Locale.ROOT, "%.2f / %.2f", rates[0], Samples.median(rates));
    }

    private void loaded(Samples samples) {
        line(
                "| way | first response | time to responsiveness | a page outside of the set, µs: p50 / p99 / max below | allocation | longest touch of it | demands (zero) |");
        line("|---|---|---|---|---|---|---|");
        for (String strategy : STRATEGIES) {
            Samples good = of(samples, strategy);
            if (!good.isEmpty()) {
                long[] touches = good.histogram("sampledByLatency");
                line("| %s | %s | %s | %s / %s / %s | %s | %s | %.0f (%.0f) |"
                        .formatted(
                                strategy,
                                both(good, "firstResponseMs"),
                                reached(good),
                                below(touches, 0.5),
                                below(touches, 0.99),
                                below(touches, 1),
                                both(good, "allocatedMs"),
                                both(good, "allocatedPageMaxMs"),
                                good.median("demandedPages"),
                                good.median("demandedZeroPages")));
            }
        }
    }

    /// {@return microseconds below which this share of the touches lies}
    private static String below(long[] counts, double quantile) {
        var nanos = new LatencyHistogram(counts).quantileNanosBelow(quantile);
        return nanos.isPresent() ? String.format(Locale.ROOT, "%.0f", Math.ceil(nanos.getAsLong() / 1e3)) : "";
    }

    private void charts(Samples quiet, Samples loaded, String name) throws IOException {
        var rate = new SvgChart(name + ": work of the guest", "seconds from the request", "share of the normal rate")
                .yMax(1.5);
        var touches = new SvgChart(
                        name + ": touches of the guest's work loop that took longer",
                        "microseconds",
                        "share of all touches")
                .logarithmic(true, true);
        var outside = new SvgChart(
                        name + ": touches of pages outside of the working set that took longer",
                        "microseconds",
                        "share of all touches")
                .logarithmic(true, true);
        for (String strategy : STRATEGIES) {
            rate.tenths(strategy, of(quiet, strategy).medians("workRate", CHART_TENTHS));
            tail(touches, strategy, of(quiet, strategy).histogram("touchesByLatency"));
            tail(outside, strategy, of(loaded, strategy).histogram("sampledByLatency"));
        }
        image(rate, "work-rate-" + name);
        image(touches, "touches-" + name);
        image(outside, "outside-" + name);
    }

    private void image(SvgChart chart, String name) throws IOException {
        if (chart.write(folder.resolve(name + ".svg"))) {
            line("");
            line("![%s](%s.svg)".formatted(name, name));
        }
    }

    /// Draws which share of the touches took longer than each power of two.
    private static void tail(SvgChart chart, String name, long[] counts) {
        long total = Arrays.stream(counts).sum();
        var x = new ArrayList<Double>();
        var y = new ArrayList<Double>();
        long longer = total;
        for (int i = 0; i < counts.length && total > 0; i++) {
            longer -= counts[i];
            if (longer > 0 && longer < total) {
                x.add((1L << (i + 1)) / 1e3);
                y.add((double) longer / total);
            }
        }
        chart.line(
                name,
                x.stream().mapToDouble(Double::doubleValue).toArray(),
                y.stream().mapToDouble(Double::doubleValue).toArray());
    }

    private void together() {
        Samples lines = all.where("bench", "together")
                .where(line -> !line.containsKey("failed") && !line.containsKey("warmUp"));
        if (lines.isEmpty()) {
            return;
        }
        line("");
        line("## Several VMs resumed at once");
        line("");
        line(
                "| QEMU | VMs | memory | working sets | rounds | TTR of one alone, median | TTR together: median / p95 / not reached | p95 : alone |");
        line("|---|---|---|---|---|---|---|---|");
        for (String qemu : lines.values("qemuVersion")) {
            Samples ofQemu = lines.where("qemuVersion", qemu);
            togetherRow(qemu, "recorded", ofQemu.where(line -> !isRehearsed(line)));
            togetherRow(qemu, "rehearsed", ofQemu.where(RestoreBenchReport::isRehearsed));
        }
    }

    private static boolean isRehearsed(Map<String, Object> line) {
        return Boolean.TRUE.equals(line.get("rehearsed"));
    }

    private void togetherRow(String qemu, String workingSets, Samples rounds) {
        if (rounds.isEmpty()) {
            return;
        }
        double alone = Samples.median(
                infiniteIfMissed(rounds.lines().stream().map(line -> line.get("aloneTimeToResponsivenessMs"))));
        double[] together = infiniteIfMissed(rounds.lines().stream()
                .flatMap(line -> ((List<?>) line.getOrDefault("timesToResponsivenessMs", List.of())).stream()));
        double p95 = Samples.quantile(together, 0.95);
        line("| %s | %s | %s | %s | %d | %s | %s / %s / %d | %s |"
                .formatted(
                        qemu,
                        number(rounds.first("vms")),
                        rounds.first("memory"),
                        workingSets,
                        rounds.size(),
                        Cells.millis(alone),
                        Cells.millis(Samples.median(together)),
                        Cells.millis(p95),
                        Arrays.stream(together).filter(Double::isInfinite).count(),
                        Double.isFinite(p95 / alone) ? String.format(Locale.ROOT, "%.1f", p95 / alone) : "-"));
    }

    private static double[] infiniteIfMissed(Stream<? extends @Nullable Object> times) {
        return times.mapToDouble(value -> value instanceof Number time ? time.doubleValue() : Double.POSITIVE_INFINITY)
                .sorted()
                .toArray();
    }

    private void copyLoop() {
        Samples loops = all.where("bench", "copy-loop");
        if (loops.isEmpty()) {
            return;
        }
        line("");
        line("## A bare loop of UFFDIO_COPY on this machine");
        line("");
        line("| pages a call | threads | GB/s | first touch of a page, us | next touch, us |");
        line("|---|---|---|---|---|");
        for (Map<String, Object> loop : loops.lines()) {
            line("| %s | %s | %.2f | %.2f | %.2f |"
                    .formatted(
                            number(loop.get("pagesPerCall")),
                            number(loop.get("threads")),
                            real(loop.get("gigabytesPerSecond")),
                            real(loop.get("firstTouchMicros")),
                            real(loop.get("nextTouchMicros"))));
        }
    }

    private static String both(Samples samples, String field) {
        double[] numbers = samples.numbers(field);
        return millis(Samples.median(numbers)) + " / " + millis(Samples.quantile(numbers, 0.95));
    }

    private static String millis(double value) {
        return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, value < 10 ? "%,.1f" : "%,.0f", value);
    }

    private static double real(@Nullable Object value) {
        return value instanceof Number number ? number.doubleValue() : Double.NaN;
    }

    private static double giga(@Nullable Object bytes) {
        return bytes instanceof Number number ? number.doubleValue() / 1e9 : Double.NaN;
    }

    private static String number(@Nullable Object value) {
        return value instanceof Number number ? String.format(Locale.ROOT, "%,d", number.longValue()) : "-";
    }

    private void line(String content) {
        text.append(content).append('\n');
    }
}
