package dev.dormouse.qmp;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// A QEMU that runs in a session of its own and outlives its starter, the starter's terminal included.
/// It is known by pid *and* start time, so whoever has both can find it again and no other process is
/// ever taken for it. Any thread.
public final class QemuProcess {
    private static final Duration START_BOUND = Duration.ofSeconds(10);
    private static final int SIGNAL_STATUS_BASE = 128; // As Java reports it, like a shell.
    private static final Duration KILL_BOUND = Duration.ofSeconds(10);
    private static final int POLL_MILLIS = 10;
    private static final int LOG_TAIL_BYTES = 64 << 10;
    private static final int LAST_WORDS_LINES = 6;
    /// In thousandths of the host's memory. Less than the steps of systemd, by which a shell and a daemon of the same
    /// user may differ (0 and 200), would not do: whoever started QEMU, the daemon may be another one later.
    private static final int OUT_OF_MEMORY_RAISE = 300;
    private static final int OUT_OF_MEMORY_MAX = 1000;

    /// What to start.
    ///
    /// @param argv the program and its arguments, each as it is: no shell reads them
    /// @param log takes both outputs, behind what it holds already
    /// @param environment added to the starter's own
    /// @param input read as standard input
    /// @param prefix a program and its arguments that become the program to start, under the same pid; may be empty
    public record Spec(List<String> argv, Path log, Map<String, String> environment, Path input, List<String> prefix) {
        private static final Path NOTHING = Path.of("/dev/null");

        public Spec {
            if (argv.isEmpty()) throw new IllegalArgumentException("argv is empty, the program is needed");
            argv = List.copyOf(argv);
            environment = Map.copyOf(environment);
            prefix = List.copyOf(prefix);
        }

        public Spec(List<String> argv, Path log, Map<String, String> environment, Path input) {
            this(argv, log, environment, input, List.of());
        }

        public Spec(List<String> argv, Path log) {
            this(argv, log, Map.of(), NOTHING);
        }

        /// {@return the same with a file as its standard input}
        public Spec withInput(Path file) {
            return new Spec(argv, log, environment, file, prefix);
        }

        /// {@return the same behind another program, which becomes it}
        public Spec withPrefix(List<String> program) {
            return new Spec(argv, log, environment, input, program);
        }
    }

    private final long pid;
    private final long startTimeTicks;
    private final @Nullable Path log;
    private final long logStartBytes;
    private final @Nullable Process child; // Null when somebody else started it.

    private QemuProcess(
            long pid, long startTimeTicks, @Nullable Path log, long logStartBytes, @Nullable Process child) {
        this.pid = pid;
        this.startTimeTicks = startTimeTicks;
        this.log = log;
        this.logStartBytes = logStartBytes;
        this.child = child;
    }

    /// Starts the program in its own session; returns when it executes. Whether it accepts its options
    /// shows when its monitor greets or [#isAlive] turns false.
    ///
    /// `setsid` calls exec in the process that we fork, which never leads a process group: it does not
    /// fork again, and the pid is the program's.
    ///
    /// When the host runs out of memory it goes before its starter, who may have pages that other guests wait for.
    public static QemuProcess start(Spec spec) throws IOException {
        List<String> argv = new ArrayList<>(spec.prefix());
        argv.addAll(List.of("setsid", "--"));
        argv.addAll(spec.argv());
        var builder = new ProcessBuilder(argv)
                .redirectInput(spec.input().toFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(spec.log().toFile()));
        builder.environment().putAll(spec.environment());
        long logStartBytes = Files.exists(spec.log()) ? Files.size(spec.log()) : 0;
        Process child;
        try {
            child = builder.start();
        } catch (IOException e) {
            throw new QemuException(
                    spec.argv().getFirst() + ": could not be started, 'setsid' of util-linux and the directory of "
                            + spec.log() + " are needed",
                    e);
        }
        return started(spec, child, logStartBytes);
    }

    private static QemuProcess started(Spec spec, Process child, long logStartBytes) throws IOException {
        long startTimeTicks =
                ProcessEntry.of(child.pid()).map(ProcessEntry::startTimeTicks).orElse(-1L);
        var process = new QemuProcess(child.pid(), startTimeTicks, spec.log(), logStartBytes, child);
        process.goBeforeItsStarter();
        try {
            process.awaitOwnSession(spec.argv().getFirst());
        } catch (IOException e) {
            child.destroyForcibly(); // Nobody will know of it.
            throw e;
        }
        return process;
    }

    /// What it becomes, and what that starts, inherits it. Raising needs no right.
    private void goBeforeItsStarter() {
        try {
            int own =
                    Integer.parseInt(Files.readString(outOfMemoryScore("self")).strip());
            int raised = Math.min(OUT_OF_MEMORY_MAX, own + OUT_OF_MEMORY_RAISE);
            Files.writeString(outOfMemoryScore(Long.toString(pid)), Integer.toString(raised));
        } catch (IOException _) {
            // It has ended, or this /proc cannot be written to: a VM that does not start would be worse.
        }
    }

    private static Path outOfMemoryScore(String process) {
        return Path.of("/proc", process, "oom_score_adj");
    }

    private void awaitOwnSession(String program) throws IOException {
        long deadline = System.nanoTime() + START_BOUND.toNanos();
        while (!executesInOwnSession()) {
            if (!isAlive()) throw died(null);
            if (System.nanoTime() - deadline >= 0) {
                throw new QemuException(
                        program + ": did not get a session of its own within " + QmpClient.text(START_BOUND));
            }
            pause(1);
        }
    }

    private boolean executesInOwnSession() {
        boolean leads = ProcessEntry.of(pid)
                .filter(e -> e.sessionId() == pid && !e.hasEnded())
                .isPresent();
        return leads
                && ProcessEntry.executable(pid)
                        .filter(exe -> !exe.endsWith("setsid"))
                        .isPresent();
    }

    /// {@return the running process with this pid and start time, or empty when it is gone}
    ///
    /// @param log where it was told to write, if that is known
    public static Optional<QemuProcess> attach(long pid, long startTimeTicks, @Nullable Path log) {
        if (pid <= 0) throw new IllegalArgumentException("pid is " + pid + ", a positive number is allowed");
        var process = new QemuProcess(pid, startTimeTicks, log, 0, null);
        return process.isAlive() ? Optional.of(process) : Optional.empty();
    }

    public static Optional<QemuProcess> attach(long pid, long startTimeTicks) {
        return attach(pid, startTimeTicks, null);
    }

    public long pid() {
        return pid;
    }

    /// {@return clock ticks from the boot of the host to the start, field 22 of `/proc/PID/stat`}
    public long startTimeTicks() {
        return startTimeTicks;
    }

    /// {@return whether exactly this process still runs; a zombie does not}
    public boolean isAlive() {
        return ProcessEntry.of(pid)
                .filter(entry -> entry.startTimeTicks() == startTimeTicks && !entry.hasEnded())
                .isPresent();
    }

    /// {@return whether the process was gone within the bound}
    public boolean awaitExit(Duration timeout) throws IOException {
        long deadline = System.nanoTime() + EventLog.nanos(timeout);
        while (isAlive()) {
            if (System.nanoTime() - deadline >= 0) return false;
            pause(POLL_MILLIS);
        }
        return true;
    }

    /// Ends the process: SIGTERM, which lets QEMU flush and close its disks, and after the bound SIGKILL.
    ///
    /// @return whether SIGTERM was enough
    public boolean terminate(Duration timeout) throws IOException {
        signal(ProcessHandle::destroy);
        if (awaitExit(timeout)) return true;
        kill();
        return false;
    }

    /// Ends the process by SIGKILL and waits until it is gone.
    public void kill() throws IOException {
        signal(ProcessHandle::destroyForcibly);
        if (!awaitExit(KILL_BOUND)) {
            throw new QemuException("QEMU process " + pid + ": still there " + QmpClient.text(KILL_BOUND)
                    + " after SIGKILL, the kernel may be waiting for its storage");
        }
    }

    private void signal(Predicate<ProcessHandle> action) throws QemuException {
        // The handle checks the start time once more when it signals, so a reused pid is never hit.
        Optional<ProcessHandle> handle = ProcessHandle.of(pid);
        if (handle.isEmpty() || !isAlive()) return;
        if (!action.test(handle.get()) && isAlive()) {
            throw new QemuException("QEMU process " + pid + ": may not be signalled, it belongs to another user");
        }
    }

    /// {@return the last lines of the log that this process wrote, fewer if it wrote less}
    public List<String> logTail(int lines) {
        if (log == null) return List.of();
        try (var file = new RandomAccessFile(log.toFile(), "r")) {
            long end = file.length();
            long start = Math.max(Math.min(logStartBytes, end), end - LOG_TAIL_BYTES);
            byte[] bytes = new byte[(int) (end - start)];
            file.seek(start);
            file.readFully(bytes);
            List<String> all =
                    new String(bytes, StandardCharsets.UTF_8).strip().lines().toList();
            return all.subList(Math.max(0, all.size() - lines), all.size());
        } catch (IOException e) {
            return List.of("(" + log + " cannot be read: " + e.getMessage() + ")");
        }
    }

    /// {@return the error for a process that is gone, with its own last words}
    public QemuException died(@Nullable Throwable cause) {
        String words = logTail(LAST_WORDS_LINES).stream()
                .map(String::strip)
                .filter(line -> !line.isEmpty())
                .collect(Collectors.joining(" | "));
        String message = "QEMU process " + pid + ": it ended" + exitText() + ", "
                + (words.isEmpty() ? "without a word" : "its last words: " + words)
                + (log == null ? "" : " (" + log + ")");
        return cause == null ? new QemuException(message) : new QemuException(message, cause);
    }

    /// {@return whether a signal ended the process, which is gone; true where only its parent could know}
    public boolean wasKilled() {
        return child == null || child.isAlive() || child.exitValue() > SIGNAL_STATUS_BASE;
    }

    private String exitText() {
        try {
            // The kernel reports the end a moment before Java has fetched the status.
            boolean known = child != null && child.waitFor(1, TimeUnit.SECONDS);
            return known && child != null ? " with status " + child.exitValue() : "";
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return "";
        }
    }

    private void pause(int millis) throws IOException {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            var interrupted = new InterruptedIOException("QEMU process " + pid + ": interrupted while waiting for it");
            interrupted.initCause(e);
            throw interrupted;
        }
    }

    @Override
    public String toString() {
        return "QEMU process " + pid + " started at tick " + startTimeTicks;
    }
}
