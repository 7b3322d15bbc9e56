import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.xml.sax.SAXException;

/// Sums up the reports of Surefire in the folders that are its arguments: a line for each failed and
/// each skipped test with the reason, then `N passed, N failed, N skipped`. Exits with 1 if a test
/// failed or none ran: a build without tests must not look like one whose tests passed.
///
/// Before that it prints what the tests have broken on purpose, from `target/faults.tsv`, if they have:
/// per kind and step how often, how often that was survived, the bytes that were verified afterwards, and
/// how often they were wrong.
final class TestSummary {
    private static final int REASON_LENGTH_MAX = 300; // A whole stack trace may stand there.

    private int passed;
    private final List<String> failed = new ArrayList<>();
    private final List<String> skipped = new ArrayList<>();

    public static void main(String[] folders) throws Exception {
        var summary = new TestSummary();
        for (String folder : folders) summary.addFolder(Path.of(folder));
        printFaults(Path.of("target", "faults.tsv"));
        summary.print();
        boolean fine = summary.passed > 0 && summary.failed.isEmpty();
        System.exit(fine ? 0 : 1);
    }

    private void addFolder(Path folder) throws IOException, ParserConfigurationException, SAXException {
        if (!Files.isDirectory(folder)) return; // No test matched.
        List<Path> reports;
        try (Stream<Path> files = Files.list(folder)) {
            reports = files.filter(file -> file.getFileName().toString().matches("TEST-.*\\.xml"))
                    .sorted()
                    .toList();
        }
        for (Path report : reports) addReport(report);
    }

    private void addReport(Path report) throws IOException, ParserConfigurationException, SAXException {
        var tests = DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(report.toFile())
                .getElementsByTagName("testcase");
        for (int i = 0; i < tests.getLength(); i++) add((Element) tests.item(i));
    }

    private void add(Element test) {
        String name = test.getAttribute("classname").replaceFirst(".*\\.", "") + "." + test.getAttribute("name");
        for (Node node = test.getFirstChild(); node != null; node = node.getNextSibling()) {
            if (!(node instanceof Element result)) continue;
            switch (result.getTagName()) {
                case "failure", "error" -> {
                    failed.add(name + ": " + reason(result));
                    return;
                }
                case "skipped" -> {
                    skipped.add(name + ": " + reason(result));
                    return;
                }
                default -> {} // Output and the like.
            }
        }
        passed++;
    }

    /// {@return the message on one line, without what it says for every skipped test}
    private static String reason(Element result) {
        String message = result.getAttribute("message");
        String text = (message.isBlank() ? result.getTextContent() : message)
                .strip()
                .replaceAll("\\s+", " ")
                .replaceFirst("^org\\.opentest4j\\.TestAbortedException: ", "")
                .replaceFirst("^Assumption failed: ", "");
        if (text.isEmpty()) return "no reason given";
        return text.length() <= REASON_LENGTH_MAX ? text : text.substring(0, REASON_LENGTH_MAX) + "...";
    }

    private static void printFaults(Path file) throws IOException {
        if (!Files.exists(file)) return;
        var rows = new TreeMap<String, long[]>();
        var all = new long[4];
        for (String line : Files.readAllLines(file)) {
            String[] fields = line.split("\t");
            long[] row = rows.computeIfAbsent(fields[0] + "\t" + fields[1], _ -> new long[4]);
            for (long[] sums : List.of(row, all)) {
                sums[0]++;
                for (int i = 1; i < sums.length; i++) sums[i] += Long.parseLong(fields[i + 1]);
            }
        }
        System.out.printf("%n%-30s %-56s %8s %8s %12s %5s%n", "fault", "step", "injected", "survived", "MiB verified", "wrong");
        rows.forEach((name, row) -> printFault(name.split("\t")[0], name.split("\t")[1], row));
        printFault("all", "", all);
    }

    private static void printFault(String kind, String step, long[] row) {
        System.out.printf("%-30s %-56s %8d %8d %12d %5d%n", kind, step, row[0], row[1], row[2] >> 20, row[3]);
    }

    private void print() {
        System.out.println();
        failed.forEach(line -> System.out.println("failed: " + line));
        skipped.forEach(line -> System.out.println("skipped: " + line));
        if (passed + failed.size() == 0) System.out.println("no test ran");
        System.out.printf("%d passed, %d failed, %d skipped%n", passed, failed.size(), skipped.size());
    }
}
