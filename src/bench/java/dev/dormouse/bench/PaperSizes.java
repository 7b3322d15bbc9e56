package dev.dormouse.bench;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// The part of the report that has the sizes of images, and what they consist of.
final class PaperSizes {
    /// Of an image, by what a page table says of its pages; the rest of it is small.
    private static final Map<String, List<String>> PARTS = parts();

    private final PaperSamples samples;
    private final Markdown report;

    PaperSizes(PaperSamples samples, Markdown report) {
        this.samples = samples;
        this.report = report;
    }

    private static Map<String, List<String>> parts() {
        var parts = new LinkedHashMap<String, List<String>>();
        parts.put("stored pages", List.of("stored"));
        parts.put("page table", List.of("pageTable"));
        parts.put("device state", List.of("deviceState"));
        parts.put("working set, heat order", List.of("workingSet", "heatOrder"));
        parts.put("rest", List.of("configuration", "metadata", "other", "structure"));
        return parts;
    }

    void write() throws IOException {
        report.heading("Image sizes");
        report.columns(List.of(
                "benchmark",
                "memory",
                "not zero",
                "stock stream",
                "stock mapped-ram",
                "dormouse",
                "its copies",
                "on-disk class off",
                ": memory",
                ": not zero",
                ": class off",
                "suspend, ms",
                "stock's save, ms"));
        for (String workload : samples.workloads()) {
            row(workload, samples.states(workload));
        }
        report.paragraph(
                "MB. *Its copies*: those pages of the working set that a rehearsal has copied from the disks; the shares are those of image and copies together. *On-disk class off*: an image of a moment before, in which nothing is left to the disk. Stock's save is of the same state, by the quicker of its two means, synced.");
        memory();
        image();
    }

    private void row(String workload, Samples states) {
        if (states.isEmpty()) {
            String reason = Cells.failure(samples.failedStates().where("workload", workload));
            report.line("| %s | failed: %s ||||||||||||".formatted(workload, reason));
            return;
        }
        double image = states.median("imageBytes");
        double all = withCopies(states);
        report.row(List.of(
                workload,
                Cells.mega(memory(states)),
                Cells.mega(states.median("nonZeroBytes")),
                Cells.mega(states.median("stock-streamBytes")),
                Cells.mega(states.median("stock-mapped-ramBytes")),
                "**" + Cells.mega(image) + "**",
                Cells.mega(all - image),
                Cells.mega(states.median("selfContainedImageBytes")),
                Cells.percent(all / memory(states)),
                Cells.percent(all / states.median("nonZeroBytes")),
                Cells.percent(all / states.median("selfContainedImageBytes")),
                Cells.millis(states.median("suspendMs")),
                Cells.millis(
                        Cells.smaller(states.median("stock-streamSaveMs"), states.median("stock-mapped-ramSaveMs")))));
    }

    /// {@return the bytes of the image and of what a rehearsal has copied for it}
    static double withCopies(Samples states) {
        return states.median(line -> bytes(line, "imageBytes")
                + (line.get("rehearsal") instanceof Map<?, ?> rehearsal ? bytes(rehearsal, "copiesBytes") : 0));
    }

    private static double bytes(Map<?, ?> facts, String field) {
        return facts.get(field) instanceof Number number ? number.doubleValue() : 0;
    }

    static double memory(Samples states) {
        return number(states, "pages", "total") * PaperSamples.PAGE_BYTES;
    }

    /// {@return the share of the pages that are not zero which is left to the disk}
    static double onDisk(Samples states) {
        return number(states, "pages", "onDisk") / (number(states, "pages", "total") - number(states, "pages", "zero"));
    }

    /// {@return a number of what the first line says in an object; NaN if it has none, as older ones have not}
    private static double number(Samples states, String object, String field) {
        return states.first(object) instanceof Map<?, ?> fields && fields.get(field) instanceof Number number
                ? number.doubleValue()
                : Double.NaN;
    }

    private static double part(Samples states, List<String> fields) {
        return fields.stream()
                .mapToDouble(field -> number(states, "imageParts", field))
                .sum();
    }

    private void memory() throws IOException {
        List<String> made = samples.workloads().stream()
                .filter(name -> !samples.states(name).isEmpty())
                .toList();
        var parts = new LinkedHashMap<String, double[]>();
        for (String pageClass : List.of("stored", "duplicate", "onDisk", "zero")) {
            parts.put(
                    pageClass,
                    made.stream()
                            .mapToDouble(name ->
                                    number(samples.states(name), "pages", pageClass) * PaperSamples.PAGE_BYTES / 1e9)
                            .toArray());
        }
        bars("composition", "what memory consists of", "GB", made, parts);
    }

    private void image() throws IOException {
        List<String> made = samples.workloads().stream()
                .filter(name -> samples.states(name).first("imageParts") != null)
                .toList();
        if (made.isEmpty()) {
            return;
        }
        report.paragraph(
                "What the images consist of, MB. Zero pages take nothing; those on the disk, and duplicates, only their place in the page table.");
        report.columns(
                Stream.concat(Stream.of("benchmark"), PARTS.keySet().stream()).toList());
        for (String workload : made) {
            report.row(Stream.concat(
                            Stream.of(workload),
                            PARTS.values().stream()
                                    .map(fields -> Cells.decimals(part(samples.states(workload), fields) / 1e6)))
                    .toList());
        }
        var parts = new LinkedHashMap<String, double[]>();
        PARTS.forEach((name, fields) -> parts.put(
                name,
                made.stream()
                        .mapToDouble(workload -> part(samples.states(workload), fields) / 1e6)
                        .toArray()));
        bars("image-composition", "what the image consists of", "MB", made, parts);
    }

    private void bars(String name, String title, String unit, List<String> made, Map<String, double[]> parts)
            throws IOException {
        if (!made.isEmpty()) {
            SvgChart.writeBars(title, unit, made, parts, report.folder().resolve(name + ".svg"));
            report.image(name);
        }
    }
}
