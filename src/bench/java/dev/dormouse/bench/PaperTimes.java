package dev.dormouse.bench;

import static dev.dormouse.bench.PaperSamples.EAGER;
import static dev.dormouse.bench.PaperSamples.OURS;
import static dev.dormouse.bench.PaperSamples.STRATEGIES;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.DoubleFunction;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/// The part of the report on the restores from one kind of storage: tables, and the work of the guest over time.
final class PaperTimes {
    private static final int CHART_TENTHS = 300;
    /// Marks an eager restore that is too slow to be compared with.
    private static final String TOO_SLOW = " ‡";
    /// Marks a lazy restore that had nothing left to do when the guest ran.
    private static final String ALL_BEFORE = " †";

    private final PaperSamples samples;
    private final PaperRuns runs;
    private final Markdown report;

    PaperTimes(PaperSamples samples, PaperRuns runs, Markdown report) {
        this.samples = samples;
        this.runs = runs;
        this.report = report;
    }

    void write() throws IOException {
        if (runs.isEmpty()) {
            return;
        }
        report.heading(title(runs.profile()));
        if (!runs.notAvailable().isEmpty()) {
            report.paragraph("Not available on this host: " + runs.notAvailable());
            return;
        }
        comparison();
        responsiveness();
        marks();
        work();
        first();
        costs();
        charts();
    }

    private static String title(StorageProfile profile) {
        return switch (profile) {
            case WARM -> "This machine's storage, warm";
            case COLD -> "This machine's storage, cold";
            case SATA, NAS -> profile.text() + ", cold";
        };
    }

    // ---- the paper's form

    private void comparison() {
        report.paragraph(
                "In the paper's form: size of what is saved, MB (of stock's full file), and time to responsiveness, ms (of stock's). *Stock* is the quicker of its two ways, with its file. The eager restore is of the same image as dormouse's, which has copies of a working set besides.");
        report.columns(List.of(
                "benchmark",
                "stock: size",
                "time",
                "eager: size",
                "time",
                "dormouse: size",
                "time",
                "eager : dormouse"));
        for (String workload : samples.workloads()) {
            comparison(workload);
        }
        means();
    }

    private void comparison(String workload) {
        Samples states = samples.states(workload);
        double stock = states.median(runs.stock(workload) + "Bytes");
        String image = states.isEmpty() ? Cells.FAILED : sizeOfStock(states.median("imageBytes"), stock);
        String all = states.isEmpty() ? Cells.FAILED : sizeOfStock(PaperSizes.withCopies(states), stock);
        report.row(List.of(
                workload,
                states.isEmpty() ? Cells.FAILED : Cells.mega(stock),
                time(workload, runs.stock(workload), Cells.millis(runs.stockTime(workload))),
                image,
                timeOfStock(workload, EAGER),
                all,
                timeOfStock(workload, OURS),
                Cells.ratio(runs.gainOnEager(workload))));
    }

    private String timeOfStock(String workload, String strategy) {
        double time = runs.time(workload, strategy);
        double share = PaperRuns.quotient(time, runs.stockTime(workload));
        return time(workload, strategy, ofStock(Cells.millis(time), share)) + marks(workload, strategy);
    }

    private String time(String workload, String strategy, String time) {
        return runs.hasFailed(workload, strategy) ? Cells.FAILED : time;
    }

    private static String sizeOfStock(double bytes, double stock) {
        return ofStock(Cells.mega(bytes), bytes / stock);
    }

    private static String ofStock(String value, double share) {
        return Double.isFinite(share) ? "%s (%s)".formatted(value, Cells.percent(share)) : value;
    }

    private void means() {
        double image = mean(name -> samples.states(name).median("imageBytes") / stockBytes(name));
        double size = mean(name -> PaperSizes.withCopies(samples.states(name)) / stockBytes(name));
        double eager = mean(name -> PaperRuns.quotient(runs.time(name, EAGER), runs.stockTime(name)));
        double ours = mean(name -> PaperRuns.quotient(runs.time(name, OURS), runs.stockTime(name)));
        double gain = mean(runs::gainOnEager);
        report.row(List.of(
                "**mean, of stock's**",
                "100 %",
                "100 %",
                Cells.percent(image),
                Cells.percent(eager),
                "**" + Cells.percent(size) + "**",
                "**" + Cells.percent(ours) + "**",
                "**" + Cells.ratio(gain) + "**"));
        report.paragraph(
                "On average the image, with its copies, is smaller than stock's file by %s, dormouse takes %s of stock's time and is %s times as fast as the eager restore: means of the ratios of the rows that have both sides%s."
                        .formatted(Cells.percent(1 - size), Cells.percent(ours), Cells.ratio(gain), leftOut()));
    }

    private double stockBytes(String workload) {
        return samples.states(workload).median(runs.stock(workload) + "Bytes");
    }

    private String leftOut() {
        List<String> left = samples.workloads().stream()
                .filter(name -> !Double.isFinite(PaperRuns.quotient(runs.time(name, OURS), runs.stockTime(name)))
                        || !Double.isFinite(runs.gainOnEager(name)))
                .toList();
        return left.isEmpty() ? "" : "; left out of one mean or all: " + String.join(", ", left);
    }

    private double mean(ToDoubleFunction<String> ratio) {
        return samples.workloads().stream()
                .mapToDouble(ratio)
                .filter(Double::isFinite)
                .average()
                .orElse(Double.NaN);
    }

    // ---- times

    private void responsiveness() {
        report.paragraph("Time to responsiveness, measured in the guest:");
        report.columns(header("stock : dormouse", "eager : dormouse"));
        for (String workload : samples.workloads()) {
            var row = new ArrayList<String>();
            row.add(workload + runs.origin(workload));
            for (String strategy : STRATEGIES) {
                row.add(cell(runs, workload, strategy) + marks(workload, strategy));
            }
            row.add(Cells.ratio(PaperRuns.quotient(runs.stockTime(workload), runs.time(workload, OURS))));
            row.add(Cells.ratio(runs.gainOnEager(workload)));
            report.row(row);
        }
    }

    private static List<String> header(String... more) {
        var names = new ArrayList<String>();
        names.add("benchmark");
        names.addAll(STRATEGIES);
        names.addAll(List.of(more));
        return names;
    }

    /// {@return the median time to responsiveness, its interval, and how many runs there are that had none}
    static String cell(PaperRuns runs, String workload, String strategy) {
        double[] times = runs.times(workload, strategy);
        int failed = runs.failed(workload, strategy);
        if (runs.hasFailed(workload, strategy)) {
            return failed > 1 ? "failed, all %d".formatted(failed) : Cells.FAILED;
        }
        long missed = DoubleStream.of(times).filter(Double::isInfinite).count();
        boolean reached = Double.isFinite(Samples.median(times));
        return (reached || times.length == 0 ? Cells.interval(times, Cells::millis) : Cells.NOT_REACHED)
                + (missed > 0 && (reached || missed < times.length)
                        ? "%s in %d of %d".formatted(reached ? ", not reached" : "", missed, times.length)
                        : "")
                + (failed > 0 ? ", %d failed".formatted(failed) : "");
    }

    private String marks(String workload, String strategy) {
        return (strategy.equals(EAGER) && runs.isEagerTooSlow(workload) ? TOO_SLOW : "")
                + (runs.isLoadedBeforeRun(workload, strategy) ? ALL_BEFORE : "");
    }

    /// Says what the marks mean, of those that there are.
    private void marks() {
        List<String> slow = samples.workloads().stream()
                .filter(runs::isEagerTooSlow)
                .map(name -> "%s %s".formatted(name, Cells.decimals(runs.eagerGigabytes(name))))
                .toList();
        if (!slow.isEmpty()) {
            report.paragraph(
                    "‡ Invalid as something to compare with: it %s at less than %s GB/s, which is 0.8 of the device's speed, or of a page cache's least (%s). It is in no ratio."
                            .formatted(
                                    runs.profile().isThrottled() ? "read its files" : "loaded non-zero memory",
                                    Cells.decimals(runs.gigabytesRequired()),
                                    String.join(", ", slow)));
        }
        List<String> before = samples.workloads().stream()
                .flatMap(name -> STRATEGIES.stream()
                        .filter(strategy -> runs.isLoadedBeforeRun(name, strategy))
                        .map(strategy -> "%s of %s %s"
                                .formatted(strategy, name, Cells.percent(runs.shareBeforeRun(name, strategy)))))
                .toList();
        if (!before.isEmpty()) {
            report.paragraph("† (Nearly) all that is not zero was loaded before the guest ran, at full speed: %s."
                    .formatted(String.join(", ", before)));
        }
    }

    /// No threshold decides it, so it tells more than a time where the rate of a workload, or of the machine, varies.
    private void work() {
        report.paragraph(
                "Work that the guest had done five seconds after the request, in seconds of its normal work (of runs that were not watched for so long: they are taken to have gone on as in their last second):");
        report.columns(header("dormouse : stock", "dormouse : eager"));
        for (String workload : samples.workloads()) {
            var row = new ArrayList<String>();
            row.add(workload);
            for (String strategy : STRATEGIES) {
                row.add(interval(workload, strategy, runs.work(workload, strategy), Cells::decimals));
            }
            double ours = runs.medianWork(workload, OURS);
            row.add(Cells.ratio(ours / runs.stockWork(workload)));
            row.add(Cells.ratio(ours / runs.medianWork(workload, EAGER)));
            report.row(row);
        }
    }

    private String interval(String workload, String strategy, double[] sorted, DoubleFunction<String> format) {
        return runs.hasFailed(workload, strategy) ? Cells.FAILED : Cells.interval(sorted, format);
    }

    private void first() {
        report.paragraph(
                "First response / every page there. *Floor*: from when a guest runs that has everything until its response, of the eager ways.");
        report.columns(header("floor"));
        for (String workload : samples.workloads()) {
            var row = new ArrayList<String>();
            row.add(workload);
            for (String strategy : STRATEGIES) {
                Samples good = runs.good(workload, strategy);
                row.add(interval(workload, strategy, good.numbers("firstResponseMs"), Cells::millis)
                        + " / "
                        + Cells.millis(good.median("completeMs")));
            }
            row.add(Cells.millis(runs.lines().where("workload", workload).median("floorMs")));
            report.row(row);
        }
    }

    // ---- costs

    private void costs() {
        report.paragraph(
                "What the lazy ways cost, and the processor time of all until every page was there (seconds, QEMU + the rest). The dense parts of the recorded set go before RUN, the rest ahead of the background; where the guest is known to want most of its memory nearly all of that goes before RUN, at full speed. What the guest wanted is estimated from pages that are held back.");
        report.columns(List.of(
                "benchmark",
                "plain-lazy: demands, p50 / p99 µs",
                "dormouse-first",
                "dormouse",
                "before RUN, of what is not zero: dormouse-first",
                "dormouse",
                "set behind RUN",
                "of which the guest wanted",
                "it wanted of all",
                "CPU: stock-stream",
                "stock-mapped-ram",
                "eager",
                "plain-lazy",
                "dormouse-first",
                "dormouse"));
        for (String workload : samples.workloads()) {
            costs(workload);
        }
    }

    private void costs(String workload) {
        String first = RestoreStrategy.DORMOUSE_FIRST.text();
        Samples ours = runs.good(workload, OURS);
        double pages = ours.median("nonZeroBytes") / PaperSamples.PAGE_BYTES;
        var row = new ArrayList<String>();
        row.add(workload);
        row.add(demands(runs.good(workload, RestoreStrategy.PLAIN_LAZY.text())));
        row.add(demands(runs.good(workload, first)));
        row.add(demands(ours));
        row.add(Cells.percent(runs.shareBeforeRun(workload, first)));
        row.add(Cells.percent(runs.shareBeforeRun(workload, OURS)));
        row.add(Cells.percent(ours.median("workingSetPages") / pages));
        row.add(Cells.percent(ours.median("workingSetHitRate")));
        row.add(Cells.percent(ours.median("wantedShare")));
        for (String strategy : STRATEGIES) {
            row.add(processor(runs.good(workload, strategy)));
        }
        report.row(row);
    }

    private static String demands(Samples good) {
        return good.numbers("demandedPages").length == 0
                ? Cells.NOT_MEASURED
                : String.format(
                        Locale.ROOT,
                        "%,.0f, %.0f / %.0f",
                        good.median("demandedPages"),
                        good.median("demandMicrosP50"),
                        good.median("demandMicrosP99"));
    }

    private static String processor(Samples good) {
        return good.numbers("qemuProcessorSeconds").length == 0
                ? Cells.NOT_MEASURED
                : String.format(
                        Locale.ROOT,
                        "%.1f + %.1f",
                        good.median("qemuProcessorSeconds"),
                        good.median("serverProcessorSeconds"));
    }

    // ---- the work over time

    private void charts() throws IOException {
        for (String workload : samples.workloads()) {
            String profile = runs.profile().text();
            var chart = new SvgChart(
                            "%s, %s: work of the guest".formatted(workload, profile),
                            "seconds from the request",
                            "share of the normal rate, over the next %,.0f ms".formatted(runs.windowMillis(workload)))
                    .yMax(1.5);
            for (String strategy : STRATEGIES) {
                chart.tenths(strategy, runs.good(workload, strategy).medians("workRate", CHART_TENTHS));
            }
            String name = "work-rate-%s-%s".formatted(workload, profile);
            if (chart.write(report.folder().resolve(name + ".svg"))) {
                report.image(name);
            }
        }
    }
}
