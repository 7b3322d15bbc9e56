package dev.dormouse.bench;

import static dev.dormouse.bench.PaperSamples.OURS;
import static dev.dormouse.bench.PaperSamples.WORST_CASE;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/// The part of the report that has the averages: the paper's, the project's targets, and what was measured.
final class PaperTargets {
    private static final String NONE = "-";
    /// Of the pages that are not zero: with so many on the disk a guest counts as heavy on the page cache.
    private static final double HEAVY = 1.0 / 3;

    private final PaperSamples samples;
    private final Markdown report;

    PaperTargets(PaperSamples samples, Markdown report) {
        this.samples = samples;
        this.report = report;
    }

    /// A mean over workloads, and what was asked of it.
    ///
    /// @param least whether it must be as large as the target, not as small
    /// @param target null if none was set
    /// @param paper what the paper has
    private record Row(String name, boolean least, @Nullable Double target, boolean isRatio, String paper) {
        static Row reduction(String name, double target, String paper) {
            return new Row(name, true, target, false, paper);
        }

        boolean isMetBy(double value) {
            return target != null && (least ? value >= target : value <= target);
        }

        String text(double value) {
            return isRatio ? Cells.ratio(value) : Cells.percent(value);
        }

        String required() {
            return target == null ? NONE : (least ? "at least " : "at most ") + text(target);
        }
    }

    void write() {
        report.heading("Averages, beside the targets and the paper's");
        report.columns(List.of("mean of", "ours", "of workloads", "left out", "target", "met", "the paper"));
        sizes();
        for (StorageProfile profile : StorageProfile.values()) {
            PaperRuns runs = samples.of(profile);
            Double target = profile == StorageProfile.SATA ? 0.2 : null;
            times(
                    runs,
                    new Row(
                            "time to responsiveness, of stock's, " + profile.text(),
                            false,
                            target,
                            false,
                            "50 % (against Xen)"),
                    name -> PaperRuns.quotient(runs.time(name, OURS), runs.stockTime(name)));
        }
        for (StorageProfile profile : StorageProfile.values()) {
            PaperRuns runs = samples.of(profile);
            times(
                    runs,
                    new Row("quicker than the space-optimised eager restore, " + profile.text(), true, 5.0, true, "3"),
                    runs::gainOnEager);
        }
        slower();
        for (StorageProfile profile : StorageProfile.values()) {
            work(profile);
        }
        report.paragraph(
                "Means of the ratios of the workloads that have both sides. *Left out* are those that have not: one side failed or was not measured, was not reached in half of its runs or more, or is an eager restore that is too slow to be compared with. A target is not met where dormouse itself was not reached. *Heavy on the page cache*: at least a third of the pages that are not zero is left to the disk.");
    }

    private void sizes() {
        List<String> usual = samples.workloads().stream()
                .filter(name -> !name.equals(WORST_CASE))
                .toList();
        sizes(
                Row.reduction("image and copies below memory, without " + WORST_CASE, 0.85, "up to 80 %"),
                usual,
                states -> 1 - PaperSizes.withCopies(states) / PaperSizes.memory(states));
        sizes(
                Row.reduction("image and copies below what is not zero, without " + WORST_CASE, 0.6, NONE),
                usual,
                states -> 1 - PaperSizes.withCopies(states) / states.median("nonZeroBytes"));
        sizes(
                Row.reduction(
                        "image and copies below the same with the on-disk class off, heavy on the page cache",
                        0.4,
                        NONE),
                samples.workloads().stream()
                        .filter(name -> PaperSizes.onDisk(samples.states(name)) >= HEAVY)
                        .toList(),
                states -> 1 - PaperSizes.withCopies(states) / states.median("selfContainedImageBytes"));
    }

    private void sizes(Row row, List<String> workloads, ToDoubleFunction<Samples> share) {
        write(row, workloads, name -> share.applyAsDouble(samples.states(name)), List.of());
    }

    private void times(PaperRuns runs, Row row, ToDoubleFunction<String> ratio) {
        if (!runs.isEmpty()) {
            List<String> never = samples.workloads().stream()
                    .filter(name -> Double.isInfinite(runs.time(name, OURS)))
                    .toList();
            write(row, samples.workloads(), ratio, never);
        } else if (row.target() != null) {
            report.row(List.of(row.name(), NONE, "0", "not measured", row.required(), "not measured", row.paper()));
        }
    }

    /// @param never in which dormouse was not reached, so that the target is not met whatever the mean is
    private void write(Row row, List<String> workloads, ToDoubleFunction<String> ratio, List<String> never) {
        var left = new ArrayList<String>();
        var found = new ArrayList<Double>();
        for (String name : workloads) {
            double value = ratio.applyAsDouble(name);
            if (Double.isFinite(value)) {
                found.add(value);
            } else {
                left.add(name);
            }
        }
        double mean = found.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
        report.row(List.of(
                row.name(),
                row.text(mean),
                Integer.toString(found.size()),
                list(left),
                row.required(),
                row.target() == null || (found.isEmpty() && never.isEmpty())
                        ? NONE
                        : yes(row.isMetBy(mean) && never.isEmpty()),
                row.paper()));
    }

    private static String list(List<String> names) {
        return names.isEmpty() ? NONE : String.join(", ", names);
    }

    private static String yes(boolean met) {
        return met ? "yes" : "**no**";
    }

    /// A guest that stock brought back to its speed and dormouse did not is slower, however long it was watched.
    private void slower() {
        var slower = new ArrayList<String>();
        var left = new ArrayList<String>();
        int compared = 0;
        for (StorageProfile profile : StorageProfile.values()) {
            PaperRuns runs = samples.of(profile);
            for (String name : runs.isEmpty() ? List.<String>of() : samples.workloads()) {
                double ours = runs.time(name, OURS);
                double stock = runs.stockTime(name);
                if (!Double.isFinite(Math.min(ours, stock))) { // One was not measured, or neither was reached.
                    left.add("%s (%s)".formatted(name, profile.text()));
                } else {
                    compared++;
                    if (ours > stock) {
                        slower.add("%s (%s: %s, stock %s)"
                                .formatted(name, profile.text(), Cells.millis(ours), Cells.millis(stock)));
                    }
                }
            }
        }
        report.row(List.of(
                "workloads slower than stock in any profile",
                slower.isEmpty() ? "0" : "%d: %s".formatted(slower.size(), String.join(", ", slower)),
                Integer.toString(compared),
                list(left),
                "none",
                compared == 0 ? NONE : yes(slower.isEmpty()),
                NONE));
    }

    /// Of the sums: stock may have done nothing at all.
    private void work(StorageProfile profile) {
        PaperRuns runs = samples.of(profile);
        List<String> both = samples.workloads().stream()
                .filter(name -> Double.isFinite(runs.medianWork(name, OURS) + runs.stockWork(name)))
                .toList();
        double stock = both.stream().mapToDouble(runs::stockWork).sum();
        if (stock > 0) {
            double ours = both.stream()
                    .mapToDouble(name -> runs.medianWork(name, OURS))
                    .sum();
            report.row(List.of(
                    "work of the first five seconds, of stock's (of the sums), " + profile.text(),
                    Cells.percent(ours / stock),
                    Integer.toString(both.size()),
                    list(samples.workloads().stream()
                            .filter(name -> !both.contains(name))
                            .toList()),
                    NONE,
                    NONE,
                    NONE));
        }
    }
}
