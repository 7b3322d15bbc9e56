package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.testkit.Leftovers;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

/// Runs real commands on VMs without an operating system, in a home of their own: in this process, or each
/// in one of its own. After a test every VM is stopped, and nothing of it may be left.
abstract class CommandsFixture {
    private static final Duration END_PATIENCE = Duration.ofSeconds(10);

    @TempDir
    Path folder;

    private final List<Process> processes = new ArrayList<>();

    @AfterEach
    void stopEverything() throws Exception {
        var failures = new ArrayList<String>();
        try {
            endProcesses();
            for (Map<String, Object> vm : Json.parseObjects(ok("list", "--json"))) {
                CliRun stop = CliRun.of(folder, "stop", "--force", String.valueOf(vm.get("name")));
                if (stop.exitCode() != 0 && !stop.err().contains(": not running, there is nothing to stop")) {
                    failures.add(stop.err());
                }
            }
        } finally {
            failures.addAll(Leftovers.end(folder, END_PATIENCE));
        }
        assertThat(failures).as("what could not be stopped").isEmpty();
    }

    private void endProcesses() {
        for (Process process : processes) {
            process.destroyForcibly();
            process.onExit().orTimeout(10, TimeUnit.SECONDS).join();
        }
    }

    String ok(String... args) {
        CliRun run = CliRun.of(folder, args);
        assertThat(run.exitCode()).as("%s: %s", List.of(args), run).isZero();
        assertThat(run.err()).isEmpty();
        return run.out();
    }

    Map<String, Object> facts(String... args) {
        return Json.parseObject(ok(args));
    }

    void fails(int exitCode, String message, String... args) {
        CliRun run = CliRun.of(folder, args);
        assertThat(run.err()).startsWith("dormouse: " + message).hasLineCount(1);
        assertThat(run.exitCode()).isEqualTo(exitCode);
        assertThat(run.out()).isEmpty();
    }

    void create(String name, String... more) {
        String[] args = new String[6 + more.length];
        System.arraycopy(new String[] {"vm", "create", name, "--memory=64M", "--accel=tcg", "--json"}, 0, args, 0, 6);
        System.arraycopy(more, 0, args, 6, more.length);
        assertThat(facts(args)).containsEntry("state", "stopped").containsEntry("memoryBytes", 64L << 20);
    }

    /// Runs a command in a process of its own, as from a shell: Ctrl-C reaches it.
    Process process(String... args) throws Exception {
        var argv = new ArrayList<>(List.of("env", "--default-signal=INT"));
        argv.addAll(command(args));
        var builder = new ProcessBuilder(argv)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .redirectError(folder.resolve("process.log").toFile());
        builder.environment().putAll(CliRun.environment(folder));
        Process process = builder.start();
        processes.add(process);
        return process;
    }

    /// {@return what the last such process wrote to its standard error}
    String processErrors() throws Exception {
        return Files.readString(folder.resolve("process.log"));
    }

    static List<String> command(String... args) {
        var argv = new ArrayList<String>();
        argv.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        argv.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path")));
        argv.add(Main.class.getName());
        argv.addAll(List.of(args));
        return argv;
    }

    void awaitState(String name, String... states) throws Exception {
        Path log = folder.resolve("home/vms/" + name + "/server.log");
        await(
                "vm %s is one of %s".formatted(name, List.of(states)),
                () -> List.of(states).contains(facts("show", "--json", name).get("state")),
                () -> "%s; its server.log: %s"
                        .formatted(
                                facts("show", "--json", name), Files.exists(log) ? Files.readString(log) : "missing"));
    }

    static void await(String what, Callable<Boolean> condition) throws Exception {
        await(what, condition, () -> "nothing more is known");
    }

    /// @param found what to say when it does not come to that
    static void await(String what, Callable<Boolean> condition, Callable<String> found) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (!condition.call()) {
            if (System.nanoTime() - end >= 0) {
                throw new AssertionError("waited in vain until " + what + ": " + found.call());
            }
            TimeUnit.MILLISECONDS.sleep(5);
        }
    }
}
