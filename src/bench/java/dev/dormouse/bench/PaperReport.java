package dev.dormouse.bench;

import static dev.dormouse.bench.PaperSamples.OURS;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;

/// Turns the raw samples of [PaperBench] into a report: Markdown with charts in SVG, and all of it as one page of
/// HTML. A program of its own, which `./dev bench paper` runs at its end; arguments: the file of samples, the folder
/// for the report. A file `notes.md` in that folder becomes a part of it.
final class PaperReport {
    private static final String TITLE = "The paper's evaluation";

    private final PaperSamples samples;
    private final Markdown report;

    private PaperReport(PaperSamples samples, Markdown report) {
        this.samples = samples;
        this.report = report;
    }

    public static void main(String[] arguments) throws IOException {
        Path report = write(Path.of(arguments[0]), Path.of(arguments[1]));
        System.out.print(Files.readString(report));
        System.err.println("dormouse: " + report + ", " + report.resolveSibling("index.html"));
    }

    /// {@return the report in Markdown; `index.html` beside it is the same}
    static Path write(Path file, Path folder) throws IOException {
        Files.createDirectories(folder);
        Samples all = Samples.read(file).where("bench", "paper");
        var report = new Markdown(folder);
        new PaperReport(PaperSamples.of(all.undisturbed()), report).write(file, all.disturbed());
        Files.writeString(folder.resolve("index.html"), report.html(TITLE));
        return Files.writeString(folder.resolve("README.md"), report.text());
    }

    private void write(Path file, String disturbed) throws IOException {
        head(file, disturbed);
        new PaperSizes(samples, report).write();
        for (StorageProfile profile : StorageProfile.values()) {
            new PaperTimes(samples, samples.of(profile), report).write();
        }
        worst();
        new PaperTargets(samples, report).write();
        differences();
        notes();
    }

    // ---- what was measured

    /// {@return its processor, of several machines with what each has measured}
    private static String machines(Samples all) {
        List<String> processors = all.values("processor");
        return processors.size() == 1
                ? processors.getFirst()
                : processors.stream()
                        .map(name -> "%s (%s)"
                                .formatted(
                                        name,
                                        String.join(
                                                ", ",
                                                all.where("processor", name).values("workload"))))
                        .collect(Collectors.joining(" and "));
    }

    private void head(Path file, String disturbed) {
        Samples all = samples.all();
        report.line("# " + TITLE);
        report.paragraph(
                "Made by `./dev bench paper` from `%s`. QEMU %s on %s, %s processors, %s, Linux %s. Revision %s%s."
                        .formatted(
                                file.getFileName(),
                                String.join(", ", all.values("qemuVersion")),
                                machines(all),
                                Samples.text(all.first("processors")),
                                all.first("hostMemory"),
                                all.first("kernel"),
                                String.join(", ", all.values("revision")),
                                all.where("dirty", true).isEmpty() ? "" : ", with changes that are not committed"));
        report.line(
                "%d of %d workloads, %d runs of which %d failed; states that failed: %d, restores to warm up that failed: %d.%s"
                        .formatted(
                                samples.workloads().size(),
                                PaperWorkload.values().length,
                                samples.runs().size(),
                                failed(samples.runs()),
                                samples.failedStates().size(),
                                failed(samples.warmUps()),
                                disturbed.isEmpty() ? "" : " " + disturbed));
        report.paragraph(
                "Times in ms from the request to a warm process; median (confidence interval at 95 %, the range where there are fewer than six runs). A run in which the guest did not become as fast as before while it was watched counts as one that took infinitely long. `-` was not measured, *failed* was tried.");
    }

    private static int failed(Samples lines) {
        return lines.where(Cells::hasFailed).size();
    }

    // ---- what bounds the worst rows

    private void worst() {
        report.heading("What bounds the worst rows");
        report.paragraph(
                "The row of each profile in which dormouse gains least. *Windows*: over which the rate of this workload can be told, and the share of instants at which the guest counts as responsive when nobody disturbs it: what is far below 100 % has times to responsiveness that are chance to that degree.");
        report.columns(List.of(
                "profile",
                "benchmark",
                "stock : dormouse",
                "runs after",
                "responsive after",
                "complete after",
                "read, MB",
                "demands x median, ms",
                "placed, GB/s",
                "windows, ms",
                "held, undisturbed"));
        for (StorageProfile profile : StorageProfile.values()) {
            PaperRuns runs = samples.of(profile);
            samples.workloads().stream()
                    .filter(name -> !runs.good(name, OURS).isEmpty())
                    .min(Comparator.comparingDouble(name -> gain(runs, name)))
                    .ifPresent(name -> worst(runs, name));
        }
    }

    /// A workload that did not come to be responsive has gained nothing.
    private static double gain(PaperRuns runs, String workload) {
        double gain = runs.stockTime(workload) / runs.time(workload, OURS);
        return Double.isInfinite(runs.time(workload, OURS)) ? 0 : Double.isNaN(gain) ? Double.MAX_VALUE : gain;
    }

    private void worst(PaperRuns runs, String workload) {
        Samples ours = runs.good(workload, OURS);
        report.row(List.of(
                runs.profile().text(),
                workload,
                Cells.ratio(PaperRuns.quotient(runs.stockTime(workload), runs.time(workload, OURS))),
                Cells.millis(ours.median("runningMs")),
                PaperTimes.cell(runs, workload, OURS),
                Cells.millis(ours.median("completeMs")),
                Cells.mega(ours.median("readBytes")),
                Cells.millis(ours.median("demandedPages") * ours.median("demandMicrosP50") / 1e3),
                Cells.decimals(ours.median("placedGigabytesPerSecond")),
                Samples.text(ours.first("windowMs")),
                Cells.percent(ours.median("baselineHeld"))));
    }

    private void differences() {
        report.heading("What differs from the paper");
        report.paragraph(
                "The paper measured Xen on hardware virtualisation, with paravirtual guests whose hypervisor was changed, disks of its day, and its own implementations of both sides. Here QEMU is stock, and it emulates: a guest runs some ten times slower than on a processor that virtualises, so it touches fewer pages in a second, which is to the advantage of every lazy way, and its work competes with the page server for the same two processors, which is to their disadvantage. The machine is itself a virtual one whose new memory comes at very different speeds. Storage is either this machine's, or a limit of bytes and operations on it; latencies of a real disk or network are not in it. Guests are Debian 12 without systemd, whose only processes are the workload's, so they have less in memory that nobody uses than a server that has run for weeks. Stock's files are of the same state as our image: QEMU loaded that and saved it again before the guest ran.");
    }

    private void notes() throws IOException {
        Path notes = report.folder().resolve("notes.md");
        if (Files.exists(notes)) {
            report.paragraph(Files.readString(notes).strip());
        }
    }
}
