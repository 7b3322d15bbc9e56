import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Prints the medians of the rounds in a file of JSON lines that `dormouse demo --json` wrote, ours beside
/// stock's, with the range. A figure that a round has not reached is counted and printed, not left out.
final class BenchSummary {
    private static final String[][] ROWS = {
        {"image, MB", "imageBytes", "stockImageBytes"},
        {"suspend, ms", "suspendMs", "stockSuspendMs"},
        {"first response, ms", "firstResponseMs", "stockFirstResponseMs"},
        {"time to responsiveness, ms", "timeToResponsivenessMs", "stockTimeToResponsivenessMs"},
        {"complete, ms", "completeMs", "stockFirstResponseMs"},
    };

    public static void main(String[] arguments) throws IOException {
        Path file = Path.of(arguments[0]);
        List<String> rounds = Files.readAllLines(file);
        long failed = rounds.stream().filter(line -> line.contains("\"failed\"") || line.contains("\"error\"")).count();
        long intact = rounds.stream()
                .filter(line -> line.contains("\"guestMemoryIntact\":true") && line.contains("\"guestFilesIntact\":true"))
                .count();
        System.out.printf("%d rounds, %d failed, %d with memory and files intact; samples: %s%n%n", rounds.size(), failed, intact, file);
        System.out.println("| figure | dormouse: median (range) | stock QEMU: median (range) | ratio |");
        System.out.println("|---|---|---|---|");
        for (String[] row : ROWS) {
            List<Double> ours = values(rounds, row[1]);
            List<Double> stock = values(rounds, row[2]);
            System.out.printf(Locale.ROOT, "| %s | %s | %s | %s |%n", row[0], cell(ours, rounds.size()), cell(stock, rounds.size()), ratio(ours, stock));
        }
        if (failed > 0 || intact < rounds.size()) System.exit(1);
    }

    private static List<Double> values(List<String> rounds, String field) {
        Pattern form = Pattern.compile("\"" + field + "\":([-0-9.E]+)");
        var values = new ArrayList<Double>();
        for (String line : rounds) {
            Matcher found = form.matcher(line);
            if (found.find()) values.add(Double.parseDouble(found.group(1)) / (field.endsWith("Bytes") ? 1e6 : 1));
        }
        Collections.sort(values);
        return values;
    }

    private static String cell(List<Double> values, int rounds) {
        String missing = values.size() == rounds ? "" : ", not reached in %d of %d".formatted(rounds - values.size(), rounds);
        if (values.isEmpty()) return "not reached";
        return "%.0f (%.0f to %.0f)%s".formatted(median(values), values.getFirst(), values.getLast(), missing);
    }

    private static String ratio(List<Double> ours, List<Double> stock) {
        if (ours.isEmpty() || stock.isEmpty()) return "";
        return String.format(Locale.ROOT, "%.2f", median(ours) / median(stock));
    }

    private static double median(List<Double> sorted) {
        int middle = sorted.size() / 2;
        return sorted.size() % 2 == 1 ? sorted.get(middle) : (sorted.get(middle - 1) + sorted.get(middle)) / 2;
    }
}
