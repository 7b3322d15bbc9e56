import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Prints the medians of the rounds in a file of JSON lines that `./dev bench image` wrote, but for the rounds
/// that warmed the JVM up.
final class ImageSummary {
    private static final String[][] ROWS = {
        {"memory that is not zero, MB", "nonZeroBytes"},
        {"image, MB", "suspendImageBytes"},
        {"same image, on-disk class off, MB", "selfContainedImageBytes"},
        {"stock QEMU's file, MB", "stockImageBytes"},
        {"pages zero", "zero"},
        {"pages on disk", "onDisk"},
        {"runs in which those are read", "runs"},
        {"of them with fewer than 4 pages", "shortRuns"},
        {"pages in those", "pagesInShortRuns"},
        {"pages duplicate", "duplicate"},
        {"pages stored", "stored"},
        {"suspend, ms", "suspendMillis"},
        {"suspend, disk not in the page cache, ms", "suspendColdMillis"},
        {"stock QEMU's suspend, synced, ms", "stockSuspendMillis"},
        {"checkpoint, ms", "checkpointMillis"},
        {"pause of a checkpoint, ms", "checkpointPausedMillis"},
        {"peak heap of a suspend, MB", "suspendHeapBytesPeak"},
        {"reading one stored page, us, median", "pageReadMicrosMedian"},
        {"reading one stored page, us, 99 %", "pageReadMicros99"},
        {"index build, GB/s", "indexGigabytesPerSecond"},
    };

    public static void main(String[] arguments) throws IOException {
        Path file = Path.of(arguments[0]);
        List<String> all = Files.readAllLines(file);
        List<String> rounds = all.stream().filter(line -> line.contains("\"warmUp\":false")).toList();
        System.out.printf("%d rounds after a warm-up; samples: %s%n%n", rounds.size(), file);
        System.out.println("| figure | median (range) |");
        System.out.println("|---|---|");
        for (String[] row : ROWS) System.out.printf("| %s | %s |%n", row[0], cell(values(rounds, row[1])));
        List<Double> image = values(rounds, "suspendImageBytes");
        ratio("image : not zero", image, values(rounds, "nonZeroBytes"));
        ratio("image : same with the on-disk class off", image, values(rounds, "selfContainedImageBytes"));
        ratio("bytes written, stock : ours", values(rounds, "stockImageBytes"), image);
        ratio("suspend, stock : ours", values(rounds, "stockSuspendMillis"), values(rounds, "suspendMillis"));
        List<Double> oracle = values(all, "onDiskPagesByBruteForce");
        if (!oracle.isEmpty()) {
            double found = values(all.subList(0, 1), "onDisk").getFirst();
            System.out.printf(Locale.ROOT, "| pages on disk : by brute force (first round) | %.0f : %.0f = %.4f |%n", found, oracle.getFirst(), found / oracle.getFirst());
        }
    }

    private static void ratio(String what, List<Double> ours, List<Double> other) {
        if (!ours.isEmpty() && !other.isEmpty()) {
            System.out.printf(Locale.ROOT, "| %s | %.2f |%n", what, median(ours) / median(other));
        }
    }

    private static List<Double> values(List<String> rounds, String field) {
        Pattern form = Pattern.compile("\"" + field + "\":([-0-9.E]+)");
        boolean bytes = field.endsWith("Bytes") || field.endsWith("BytesPeak");
        var values = new ArrayList<Double>();
        for (String line : rounds) {
            Matcher found = form.matcher(line);
            if (found.find()) values.add(Double.parseDouble(found.group(1)) / (bytes ? 1e6 : 1));
        }
        Collections.sort(values);
        return values;
    }

    private static String cell(List<Double> values) {
        if (values.isEmpty()) return "";
        String form = values.getLast() < 100 ? "%.1f (%.1f to %.1f)" : "%.0f (%.0f to %.0f)";
        return String.format(Locale.ROOT, form, median(values), values.getFirst(), values.getLast());
    }

    private static double median(List<Double> sorted) {
        int size = sorted.size();
        return (sorted.get((size - 1) / 2) + sorted.get(size / 2)) / 2;
    }
}
