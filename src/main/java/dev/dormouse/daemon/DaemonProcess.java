package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Home;
import java.io.File;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// The daemon of a home as others see it: whether there is one, starting one in the background, ending it. Loads
/// nothing of what a daemon itself needs. Any thread, which waits.
public final class DaemonProcess {
    private static final Duration START_PATIENCE = Duration.ofSeconds(30);
    private static final Duration OTHERS_PATIENCE = Duration.ofSeconds(5);
    private static final long ANSWER_SECONDS = 10;
    private static final long LOOK_MILLIS = 10;
    private static final int OK = 200;

    private DaemonProcess() {}

    /// A daemon that answers.
    ///
    /// @param yields whether it ends as soon as another daemon wants its home
    record Found(long pid, boolean yields) {}

    /// {@return the process of the daemon that serves the home; empty if none answers}
    public static OptionalLong find(Home home) {
        return look(home).map(daemon -> OptionalLong.of(daemon.pid)).orElse(OptionalLong.empty());
    }

    /// As [#find], with what else is to be known. One that does not answer soon counts as none: it may hang.
    static Optional<Found> look(Home home) {
        var answer = new FutureTask<>(() -> ask(home));
        Thread.startVirtualThread(answer);
        try {
            return answer.get(ANSWER_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.empty();
        } catch (ExecutionException | TimeoutException _) {
            return Optional.empty();
        }
    }

    private static Optional<Found> ask(Home home) {
        try {
            var answer = new DaemonClient(DaemonClient.socket(home)).send("GET", "/v1/host", null);
            Map<String, Object> host = answer.status() == OK ? Json.parseObject(answer.body()) : Map.of();
            return host.get("pid") instanceof Number pid
                    ? Optional.of(new Found(pid.longValue(), Boolean.TRUE.equals(host.get("yields"))))
                    : Optional.empty();
        } catch (IOException | RuntimeException _) {
            return Optional.empty(); // Nobody, or one that cannot be used.
        }
    }

    /// Starts a daemon in a session of its own, which outlives this process, and returns once one answers: that one, or
    /// another one if somebody was faster. What it says goes to [#log].
    ///
    /// @param command that runs a daemon in the foreground
    /// @param environment in addition to that of this process
    /// @throws IOException if none answers in time
    public static Process start(Home home, List<String> command, Map<String, String> environment) throws IOException {
        var argv = new ArrayList<>(List.of("setsid"));
        argv.addAll(command);
        var builder = new ProcessBuilder(argv)
                .directory(home.root().toFile())
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log(home).toFile()));
        builder.environment().putAll(environment);
        makeAbsolute(home, builder.environment());
        Process process = builder.start();
        long end = System.nanoTime() + START_PATIENCE.toNanos();
        boolean alive = true;
        while (find(home).isEmpty()) {
            if (alive && !process.isAlive()) { // Or somebody was faster, and that one is about to answer.
                alive = false;
                end = System.nanoTime() + OTHERS_PATIENCE.toNanos();
            }
            if (System.nanoTime() - end >= 0) {
                throw new IOException(
                        "home %s: its daemon does not start, %s says why".formatted(home.root(), log(home)));
            }
            pause();
        }
        return process;
    }

    /// The daemon works in another folder, where a relative path would lead elsewhere.
    static void makeAbsolute(Home home, Map<String, String> environment) {
        environment.put("DORMOUSE_HOME", home.root().toString());
        environment.computeIfPresent(
                "XDG_RUNTIME_DIR",
                (_, folder) -> folder.isEmpty()
                        ? folder
                        : Path.of(folder).toAbsolutePath().normalize().toString());
    }

    /// {@return where a daemon writes that was started in the background}
    public static Path log(Home home) {
        return home.root().resolve("daemon.log");
    }

    /// Asks the daemon of the home to end, and returns when it has. A parent that starts it again when it is
    /// killed takes this for what it is; systemd does not.
    ///
    /// @return whether there was one
    /// @throws IOException if it has not ended in time
    public static boolean end(Home home, Duration patience) throws IOException {
        OptionalLong pid = find(home);
        // One whose socket is gone, or in another runtime folder, has the lock all the same.
        Optional<ProcessHandle> process =
                pid.isPresent() ? ProcessHandle.of(pid.getAsLong()) : DaemonLock.process(home);
        if (process.isPresent()) {
            process.get().destroy();
            await(home, process.get(), patience);
        }
        return pid.isPresent() || process.isPresent();
    }

    private static void await(Home home, ProcessHandle process, Duration patience) throws IOException {
        try {
            process.onExit().get(patience.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw new IOException(
                    "home %s: its daemon, process %d, has not ended within %d s"
                            .formatted(home.root(), process.pid(), patience.toSeconds()),
                    e);
        } catch (InterruptedException _) {
            throw interrupted();
        } catch (ExecutionException e) {
            throw new IOException(e);
        }
    }

    static void pause() throws IOException {
        try {
            Thread.sleep(LOOK_MILLIS);
        } catch (InterruptedException _) {
            throw interrupted();
        }
    }

    private static IOException interrupted() {
        Thread.currentThread().interrupt();
        return new InterruptedIOException("interrupted while waiting for the daemon");
    }
}
