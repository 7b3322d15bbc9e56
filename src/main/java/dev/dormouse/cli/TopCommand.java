package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.daemon.DaemonClient;
import dev.dormouse.engine.MemorySize;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
        name = "top",
        description = {
            "Shows what the VMs of a daemon are doing, those that do something first, anew every two seconds until Ctrl-C.",
            "Where standard output is no terminal, and with --json, it shows it once.",
            "TTR is how long the last resume took until the guest hardly waited for pages any more."
        },
        footerHeading = "%nExamples:%n",
        footer = {"  dormouse top", "  dormouse top --json"})
final class TopCommand extends FactsCommand {
    private static final Path STANDARD_OUTPUT = Path.of("/proc/self/fd/1");
    private static final String HOME_AND_CLEAR = "\033[H\033[J";
    private static final int PAGE = 500;
    private static final List<String> ORDER = List.of(
            "stalled", "orphaned", "crashed", "unreadable", "restoring", "suspending", "checkpointing", "running");

    @Option(
            names = "--interval",
            paramLabel = "SECONDS",
            defaultValue = "2",
            description = "How often it is shown anew (default: ${DEFAULT-VALUE}).")
    private int intervalSeconds;

    @Option(
            names = "--lines",
            paramLabel = "COUNT",
            defaultValue = "40",
            description = "How many VMs are shown on a terminal (default: ${DEFAULT-VALUE}).")
    private int lines;

    @Override
    int run() throws IOException {
        if (intervalSeconds < 1 || lines < 1) {
            throw new IllegalArgumentException("--interval and --lines: 1 or more are allowed");
        }
        var client = new DaemonClient(DaemonClient.socket(main().home()));
        boolean again = !isJson() && ProgressBar.isTerminal(STANDARD_OUTPUT);
        while (true) {
            Map<String, Object> host = ask(client, "/v1/host");
            List<Map<String, Object>> vms = vms(client);
            if (!again) {
                return print(facts(host, vms), text(host, vms, Integer.MAX_VALUE));
            }
            out().print(HOME_AND_CLEAR + PlainText.lines(text(host, vms, lines)));
            out().flush();
            pause();
        }
    }

    private static Map<String, Object> facts(Map<String, Object> host, List<Map<String, Object>> vms) {
        var facts = new LinkedHashMap<String, Object>();
        facts.put("host", host);
        facts.put("vms", vms);
        return facts;
    }

    private static List<Map<String, Object>> vms(DaemonClient client) throws IOException {
        var vms = new ArrayList<Map<String, Object>>();
        Object after = null;
        do {
            Map<String, Object> page = ask(client, "/v1/vms?limit=" + PAGE + (after == null ? "" : "&after=" + after));
            vms.addAll(Json.parseObjects(Json.write(page.get("items"))));
            after = page.get("next");
        } while (after != null);
        vms.sort(Comparator.comparingInt(TopCommand::rank));
        return vms;
    }

    private static int rank(Map<String, Object> vm) {
        int rank = ORDER.indexOf(String.valueOf(vm.get("state")));
        return rank < 0 ? ORDER.size() : rank;
    }

    private static Map<String, Object> ask(DaemonClient client, String path) throws IOException {
        try {
            return Json.parseObject(client.send("GET", path, null).body());
        } catch (java.net.SocketException e) {
            throw new Failures.Reported("top: no daemon runs, 'dormouse serve' starts one", Failures.FAILED);
        }
    }

    static String text(Map<String, Object> host, List<Map<String, Object>> vms, int linesMax) {
        var table = new Table(
                "NAME", "STATE", ">MEMORY", ">IMAGE", ">CLIENTS", ">RESTORED", ">TTR", ">DEMAND P99", "SINCE");
        for (Map<String, Object> vm : vms.subList(0, Math.min(linesMax, vms.size()))) {
            table.row(
                    vm.get("name"),
                    vm.get("reason") == null ? vm.get("state") : vm.get("state") + ": " + vm.get("reason"),
                    size(vm.get("memoryBytes")),
                    size(vm.get("imageBytes")),
                    vm.get("clients"),
                    percent(vm.get("restoredBytes"), vm.get("toRestoreBytes")),
                    responsive(vm.get("lastRestore")),
                    micros(vm.get("lastRestore")),
                    vm.get("since"));
        }
        String left = vms.size() <= linesMax ? "" : "and %d more%n".formatted(vms.size() - linesMax);
        return head(host) + "\n\n" + table + left;
    }

    private static String head(Map<String, Object> host) {
        if (!(host.get("use") instanceof Map<?, ?> use)) {
            return "%s VMs".formatted(host.get("vms"));
        }
        return "%s VMs, %s awake with %s; %s given back, in images of %s"
                .formatted(
                        use.get("vms"),
                        use.get("awakeVms"),
                        size(use.get("awakeBytes")),
                        size(use.get("givenBackBytes")),
                        size(use.get("imageBytes")));
    }

    private static @Nullable String size(@Nullable Object bytes) {
        return bytes instanceof Number number ? MemorySize.format(number.longValue()) : null;
    }

    private static @Nullable String percent(@Nullable Object part, @Nullable Object all) {
        return part instanceof Number done && all instanceof Number total && total.longValue() > 0
                ? done.longValue() * 100 / total.longValue() + " %"
                : null;
    }

    private static @Nullable String responsive(@Nullable Object report) {
        return report instanceof Map<?, ?> facts && facts.get("responsiveMillisEstimate") instanceof Number millis
                ? seconds(millis.longValue())
                : null;
    }

    private static @Nullable String micros(@Nullable Object report) {
        return report instanceof Map<?, ?> facts && facts.get("demandMicrosP99") instanceof Number micros
                ? "%.1f ms".formatted(micros.doubleValue() / 1000)
                : null;
    }

    private void pause() throws IOException {
        try {
            Thread.sleep(intervalSeconds * 1000L);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
    }
}
