package dev.dormouse.cli;

import dev.dormouse.engine.Home;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// Starts the background process that resumes a VM and serves its pages, and follows it until the guest
/// runs, or to its end. The process has its own session: it lives on when this one ends, by Ctrl-C too.
final class BackgroundResume {
    private static final int POLL_MILLIS = 4;
    private static final int SESSION_MILLIS = 300;
    private final long startNanos = System.nanoTime();
    private final Main main;
    private final String name;
    private final ResumeFlags flags;
    private final ProgressBar bar;
    private final Map<String, Object> facts = new LinkedHashMap<>();
    private volatile @Nullable Process server;

    BackgroundResume(Main main, String name, ResumeFlags flags, ProgressBar bar) {
        this.main = main;
        this.name = name;
        this.flags = flags;
        this.bar = bar;
    }

    /// @param toTheEnd whether to wait until every page is placed and the disks are merged
    /// @return what is known then, for `--json`
    Map<String, Object> run(boolean toTheEnd) throws IOException {
        flags.options(); // Refuses what is wrong before a process is started for it.
        main.lookingEngine().status(name); // Refuses a VM that does not exist.
        Home home = main.home();
        Path events = home.sockets(name).resolve("events-" + UUID.randomUUID());
        facts.put("vm", name);
        try (EventTail tail = EventTail.create(events);
                var _ = WhatGoesOn.afterCtrlC(main, this::whatGoesOn)) {
            Path log = home.vm(name).resolve("server.log");
            Process started = start(events, log);
            server = started;
            follow(started, tail, toTheEnd, log);
        } finally {
            Files.deleteIfExists(events);
        }
        return facts;
    }

    private String whatGoesOn() {
        return goesOn() ? WhatGoesOn.restoring(name) : "vm %s: cancelled, it is suspended as before".formatted(name);
    }

    /// A signal that arrives before the background process has its own session ends that one, too.
    private boolean goesOn() {
        Process started = server;
        try {
            return started != null && !started.waitFor(SESSION_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    private Process start(Path events, Path log) throws IOException {
        var argv = new ArrayList<>(List.of("setsid", "--"));
        argv.addAll(keeper());
        argv.addAll(OwnCommand.line());
        argv.addAll(List.of("page-server", "--events", events.toString()));
        Path qemu = main.qemu();
        if (qemu != null) {
            argv.addAll(List.of("--qemu", qemu.toAbsolutePath().toString()));
        }
        argv.addAll(flags.arguments());
        argv.addAll(List.of("--", name));
        var builder = new ProcessBuilder(argv)
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        builder.environment().putAll(main.environment());
        return builder.start();
    }

    /// {@return the minimal parent that starts a killed page server again, which then recovers the restore;
    /// none where the program does not run from its launcher}
    private static List<String> keeper() {
        String root = System.getProperty("dormouse.root", "");
        Path script = Path.of(root, "scripts", "keep-page-server.sh");
        return Files.isExecutable(script)
                ? List.of("bash", script.toAbsolutePath().toString())
                : List.of();
    }

    private void follow(Process server, EventTail tail, boolean toTheEnd, Path log) throws IOException {
        while (true) {
            boolean alive = server.isAlive(); // Asked before the last look at its events.
            for (Map<String, Object> event : tail.poll()) {
                if (isLast(event, toTheEnd)) {
                    return;
                }
            }
            if (!alive) {
                throw new Failures.Reported(
                        "vm %s: the background process ended with exit code %d: %s; its log is %s"
                                .formatted(name, server.exitValue(), lastLine(log), log),
                        Failures.FAILED);
            }
            pause();
        }
    }

    private boolean isLast(Map<String, Object> event, boolean toTheEnd) throws Failures.Reported {
        switch (String.valueOf(event.get("event"))) {
            case "running" -> {
                facts.put("state", "running");
                facts.put("commandMillis", (System.nanoTime() - startNanos) / 1_000_000);
                facts.put("runningMillis", event.get("runningMillis"));
                return !toTheEnd;
            }
            case "progress" ->
                bar.update("restoring", bytes(event.get("placedPages")), bytes(event.get("nonZeroPages")));
            case "step" -> bar.step(String.valueOf(event.get("step")));
            case "stalled" -> bar.step("stalled: " + event.get("reason"));
            case "failed" -> throw failure(event);
            case "done" -> {
                if (event.get("result") instanceof Map<?, ?> result) {
                    result.forEach((key, value) -> facts.put(String.valueOf(key), value));
                }
                return true;
            }
            default -> {} // Of a build with more events.
        }
        return false;
    }

    private static Failures.Reported failure(Map<String, Object> event) {
        int exitCode = event.get("exitCode") instanceof Number code ? code.intValue() : Failures.FAILED;
        return new Failures.Reported(String.valueOf(event.get("error")), exitCode);
    }

    private static long bytes(@Nullable Object pages) {
        return pages instanceof Number number ? number.longValue() * 4096 : 0;
    }

    private static String lastLine(Path log) throws IOException {
        List<String> lines = Files.readAllLines(log);
        return lines.isEmpty() ? "without a word" : lines.getLast();
    }

    private static void pause() throws IOException {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new java.io.InterruptedIOException("interrupted while waiting for the restore, which goes on");
        }
    }
}
