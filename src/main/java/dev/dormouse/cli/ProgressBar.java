package dev.dormouse.cli;

import dev.dormouse.engine.MemorySize;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// One line on a terminal that shows how far something is: bytes, rate, time left. Nothing is shown in
/// the first second, so what is fast stays silent, and nothing at all where there is no terminal. Any
/// thread.
final class ProgressBar implements AutoCloseable {
    private static final long SILENT_NANOS = 1_000_000_000;
    private static final long REDRAW_NANOS = 100_000_000;
    private static final int BAR_COLUMNS = 16;
    private static final int LINE_COLUMNS_MAX = 79;
    private static final String CLEAR = "\r\033[K";

    private final PrintWriter terminal;
    private final boolean enabled;
    private final @Nullable ScheduledExecutorService clock;
    private final LongSupplier nanos;
    private final long startNanos;
    private String phase = "";
    private long phaseStartNanos;
    private long phaseStartBytes;
    private long drawnNanos;
    private boolean drawn;
    private @Nullable String pendingStep;

    ProgressBar(PrintWriter terminal, boolean enabled, LongSupplier nanos) {
        this(terminal, enabled, nanos, null);
    }

    private ProgressBar(
            PrintWriter terminal, boolean enabled, LongSupplier nanos, @Nullable ScheduledExecutorService clock) {
        this.terminal = terminal;
        this.enabled = enabled;
        this.clock = clock;
        this.nanos = nanos;
        this.startNanos = nanos.getAsLong();
        this.drawnNanos = startNanos - REDRAW_NANOS;
    }

    /// {@return a bar that shows itself only if standard error is a terminal}
    static ProgressBar onTerminal(PrintWriter err) {
        if (!isTerminal(Path.of("/proc/self/fd/2"))) {
            return new ProgressBar(err, false, System::nanoTime);
        }
        var clock = Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().name("progress-bar").factory());
        var bar = new ProgressBar(err, true, System::nanoTime, clock);
        var _ = clock.schedule(bar::showPending, SILENT_NANOS, TimeUnit.NANOSECONDS);
        return bar;
    }

    /// What [System#console] answers is about standard input and output; this asks for one descriptor.
    static boolean isTerminal(Path descriptor) {
        try {
            String target = Files.readSymbolicLink(descriptor).toString();
            return target.startsWith("/dev/pts/") || target.startsWith("/dev/tty") || target.equals("/dev/console");
        } catch (IOException _) {
            return false;
        }
    }

    /// Shows how much is done of a phase.
    synchronized void update(String newPhase, long doneBytes, long totalBytes) {
        long now = nanos.getAsLong();
        pendingStep = null;
        if (!newPhase.equals(phase)) {
            phase = newPhase;
            phaseStartNanos = now;
            phaseStartBytes = doneBytes;
        }
        if (isDue(now)) {
            double seconds = (now - phaseStartNanos) / 1e9;
            double rate = seconds > 0 ? (doneBytes - phaseStartBytes) / seconds : 0;
            draw(now, line(phase, doneBytes, totalBytes, rate));
        }
    }

    /// Shows a step whose end cannot be foreseen.
    synchronized void step(String what) {
        phase = what;
        pendingStep = what;
        showPending();
    }

    /// Shows the step that began in the silent first second and still goes on.
    synchronized void showPending() {
        long now = nanos.getAsLong();
        if (enabled && pendingStep != null && now - startNanos >= SILENT_NANOS) {
            draw(now, pendingStep + " ...");
            pendingStep = null;
        }
    }

    /// Wipes the line. What is written after that starts at its beginning.
    @Override
    public synchronized void close() {
        pendingStep = null;
        if (clock != null) {
            clock.shutdownNow();
        }
        if (drawn) {
            terminal.print(CLEAR);
            terminal.flush();
            drawn = false;
        }
    }

    /// {@return for example `capturing [######    ]  25%  1.0 GiB of 4.0 GiB, 512 MiB/s, 6 s left`}
    static String line(String phase, long doneBytes, long totalBytes, double bytesPerSecond) {
        double share = totalBytes <= 0 ? 1 : Math.clamp((double) doneBytes / totalBytes, 0, 1);
        int filled = (int) (share * BAR_COLUMNS);
        String left = bytesPerSecond < 1 || doneBytes >= totalBytes
                ? ""
                : ", %s left".formatted(duration((long) Math.ceil((totalBytes - doneBytes) / bytesPerSecond)));
        return "%s [%s%s] %3d%%  %s of %s, %s/s%s"
                .formatted(
                        phase,
                        "#".repeat(filled),
                        " ".repeat(BAR_COLUMNS - filled),
                        (int) (share * 100),
                        MemorySize.format(doneBytes),
                        MemorySize.format(totalBytes),
                        MemorySize.format((long) bytesPerSecond),
                        left);
    }

    private static String duration(long seconds) {
        return seconds < 60
                ? seconds + " s"
                : seconds < 3600
                        ? "%d min %d s".formatted(seconds / 60, seconds % 60)
                        : "%d h %d min".formatted(seconds / 3600, seconds / 60 % 60);
    }

    private boolean isDue(long now) {
        return enabled && now - startNanos >= SILENT_NANOS && now - drawnNanos >= REDRAW_NANOS;
    }

    private void draw(long now, String line) {
        terminal.print(CLEAR + line.substring(0, Math.min(line.length(), LINE_COLUMNS_MAX)));
        terminal.flush();
        drawnNanos = now;
        drawn = true;
    }
}
