package dev.dormouse.engine;

import dev.dormouse.restore.BackgroundOptions;
import dev.dormouse.restore.RestoreOptions;
import dev.dormouse.restore.RestoreStep;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// The engine in a process of its own, for tests of what happens between processes, and to processes.
///
/// Prints `running` when the guest runs, `by stream: REASON` if no page is placed directly, and at the end `done` or
/// `failed: MESSAGE`. A [KillPlan] beside the home says when it dies.
final class ChildEngine implements AutoCloseable {
    private static final Duration BOUND = Duration.ofMinutes(2);
    private static final String DENIED = "denied-";
    private final Process process;
    private final Path output;

    private ChildEngine(Process process, Path output) {
        this.process = process;
        this.output = output;
    }

    /// @param prefix a program that starts the JVM, or nothing
    /// @param arguments what `main` takes behind the home
    static ChildEngine start(List<String> prefix, String classPath, Path home, String... arguments) throws IOException {
        var command = new ArrayList<>(prefix);
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-ea:dev.dormouse...",
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx512m",
                "-cp",
                classPath,
                ChildEngine.class.getName(),
                home.toString()));
        command.addAll(List.of(arguments));
        Path output = Files.createTempFile("child-engine", ".out");
        Process process = new ProcessBuilder(command)
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        return new ChildEngine(process, output);
    }

    static ChildEngine start(Path home, String... arguments) throws IOException {
        return start(List.of(), System.getProperty("java.class.path"), home, arguments);
    }

    /// Ends the process without a chance to do anything.
    void kill() throws InterruptedException {
        process.destroyForcibly();
        process.waitFor(BOUND.toSeconds(), TimeUnit.SECONDS);
    }

    /// {@return what it printed, after it has ended}
    String await() throws IOException, InterruptedException {
        if (!process.waitFor(BOUND.toSeconds(), TimeUnit.SECONDS)) {
            throw new IOException("the child engine is still running: " + output());
        }
        return output();
    }

    /// {@return what it printed so far}
    String output() throws IOException {
        return Files.readString(output).strip();
    }

    boolean hasEnded() {
        return !process.isAlive();
    }

    long pid() {
        return process.pid();
    }

    @Override
    public void close() throws IOException {
        process.destroyForcibly();
        process.onExit().orTimeout(BOUND.toSeconds(), TimeUnit.SECONDS).join();
        Files.deleteIfExists(output);
    }

    /// @param arguments home, command, name of the VM, and the QEMU if it is not the system's
    public static void main(String[] arguments) {
        var out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try {
            Path qemu = arguments.length > 3 ? Path.of(arguments[3]) : null;
            var engine = new Engine(Home.at(Path.of(arguments[0]), null), QemuTools.locate(qemu));
            String command = arguments[1];
            if (command.startsWith(DENIED)) {
                NoBorrowing.begin();
                command = command.substring(DENIED.length());
            }
            KillPlan kills = KillPlan.ofThisProcess(Path.of(arguments[0]));
            run(engine, command, arguments[2], new OperationListener() {
                @Override
                public void reached(RestoreStep step) {
                    kills.reached(step);
                }

                @Override
                public void placed(long pages, long ofPages) {
                    kills.placed(pages, ofPages);
                }

                @Override
                public void running() {
                    out.println("running");
                    kills.running();
                }

                @Override
                public void placement(List<String> ways, String reason) {
                    if (!reason.isEmpty()) {
                        out.println("by stream: " + reason);
                    }
                }
            });
            out.println("done");
        } catch (IOException e) {
            out.println("failed: " + e.getMessage());
        }
    }

    private static void run(Engine engine, String command, String name, OperationListener listener) throws IOException {
        switch (command) {
            case "create" -> engine.create(VmRequest.named(name).withMemory("64M"));
            case "rehearse" -> engine.rehearse(name, listener, new Cancellation());
            case "start" -> engine.start(name, false);
            case "suspend" -> engine.suspend(name, listener, new Cancellation());
            case "resume" -> engine.resume(name, ResumeOptions.DEFAULT, listener);
            case "by-stream" ->
                engine.resume(name, ResumeOptions.DEFAULT.withPlacement(RestoreOptions.Placement.STREAM), listener);
            case "early" -> engine.resume(name, early(), listener);
            case "slowly" -> engine.resume(name, slow(), listener);
            case "slowly-by-stream" ->
                engine.resume(name, slow().withPlacement(RestoreOptions.Placement.STREAM), listener);
            case "directly" ->
                engine.resume(name, ResumeOptions.DEFAULT.withPlacement(RestoreOptions.Placement.DIRECT), listener);
            case "eagerly" -> engine.resume(name, ResumeOptions.DEFAULT.withEager(true), listener);
            case "stop" -> engine.stop(name, true, BOUND, listener);
            default -> throw new IllegalArgumentException(command);
        }
    }

    private static ResumeOptions early() {
        RestoreOptions everything = RestoreOptions.DEFAULT.withEarly(RestoreOptions.Early.EVERYTHING);
        return new ResumeOptions(false, false, false, everything);
    }

    /// {@return options with which the background takes far longer than a test, on a busy host, too: a minute for 16
    /// MiB}
    static ResumeOptions slow() {
        var restore = RestoreOptions.DEFAULT.withBackground(
                BackgroundOptions.DEFAULT.withWindow(1, 1, 1).withRateBytesPerSecond(256 << 10));
        return new ResumeOptions(false, false, false, restore);
    }
}
