package dev.dormouse.testkit;

import dev.dormouse.qmp.ProcessEntry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// Processes that belong to a test, known by the test's own folder in their arguments: a QEMU or a page
/// server that outlived it. Nothing else has the name of that folder.
public final class Leftovers {
    private static final int KILL_SECONDS = 10;

    private Leftovers() {}

    /// Waits until the processes have ended by themselves, then ends what is left, each by its pid.
    ///
    /// @return what had to be ended: pid and command line
    public static List<String> end(Path folder, Duration patience) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + patience.toNanos();
        List<ProcessHandle> left = find(folder);
        while (!left.isEmpty() && System.nanoTime() - deadline < 0) {
            TimeUnit.MILLISECONDS.sleep(20);
            left = find(folder);
        }
        List<String> names = left.stream()
                .map(process -> process.pid() + " " + commandLine(process))
                .toList();
        for (ProcessHandle process : left) {
            process.destroyForcibly();
            awaitEnd(process.pid());
        }
        return names;
    }

    /// Java's own waiting ends when the first thread has gone; others may hold files and locks for a while yet.
    private static void awaitEnd(long pid) throws IOException, InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(KILL_SECONDS);
        while (!ProcessEntry.of(pid).map(ProcessEntry::hasEnded).orElse(true)) {
            if (System.nanoTime() - deadline >= 0) {
                throw new IOException("process %d: still there %d s after it was killed".formatted(pid, KILL_SECONDS));
            }
            TimeUnit.MILLISECONDS.sleep(2);
        }
    }

    private static List<ProcessHandle> find(Path folder) {
        long self = ProcessHandle.current().pid();
        try (Stream<ProcessHandle> processes = ProcessHandle.allProcesses()) {
            return processes
                    .filter(process ->
                            process.pid() != self && commandLine(process).contains(folder + "/"))
                    .toList();
        }
    }

    /// Java's own is cut off after a page.
    private static String commandLine(ProcessHandle process) {
        try {
            byte[] arguments = Files.readAllBytes(Path.of("/proc/" + process.pid() + "/cmdline"));
            return new String(arguments, StandardCharsets.UTF_8).replace('\0', ' ');
        } catch (IOException _) {
            return ""; // It has ended.
        }
    }
}
