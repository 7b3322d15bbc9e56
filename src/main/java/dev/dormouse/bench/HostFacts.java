package dev.dormouse.bench;

import dev.dormouse.base.Command;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What a measurement was made of and on, for every line of raw samples.
public final class HostFacts {
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private HostFacts() {}

    /// {@return revision, processor, memory, kernel and Java, by the names that they have in samples}
    public static Map<String, Object> read() throws IOException {
        Path root = Path.of(System.getProperty("dormouse.root", "")).toAbsolutePath();
        var facts = new LinkedHashMap<String, Object>();
        facts.put("revision", git(root, "rev-parse", "HEAD"));
        facts.put(
                "dirty",
                !git(root, "status", "--porcelain", "--untracked-files=no").isEmpty());
        facts.put("host", InetAddress.getLocalHost().getHostName());
        facts.put("processor", line("/proc/cpuinfo", "model name"));
        facts.put("processors", Runtime.getRuntime().availableProcessors());
        facts.put("hostMemory", line("/proc/meminfo", "MemTotal"));
        facts.put("kernel", System.getProperty("os.version"));
        facts.put("java", Runtime.version().toString());
        return facts;
    }

    /// {@return what git answers; `unknown` where there is no repository}
    private static String git(Path root, String... arguments) throws IOException {
        var argv = new java.util.ArrayList<>(List.of("git", "-C", root.toString()));
        argv.addAll(List.of(arguments));
        try {
            Command.Result result = Command.tryRun(argv, TIMEOUT);
            return result.exitCode() == 0 ? result.output().strip() : "unknown";
        } catch (Command.CommandException _) {
            return "unknown";
        }
    }

    private static String line(String file, String key) throws IOException {
        return Files.readAllLines(Path.of(file)).stream()
                .filter(text -> text.startsWith(key))
                .map(text -> text.substring(text.indexOf(':') + 1).strip())
                .findFirst()
                .orElse("unknown");
    }
}
