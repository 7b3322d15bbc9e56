package dev.dormouse.engine;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.dormouse.restore.RestoreStep;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Ends this very process by SIGKILL at an exact moment of a restore: behind a [RestoreStep], or when a
/// percentage of the pages is placed and the guest runs (`50%`). Much may be placed before that, and until the
/// devices are loaded QEMU ends with its page server: then nothing is carried on. So `PLACED` is when the guest
/// runs, too. The plan is a file with a line for each process that is to die, one after the other; whoever dies takes
/// its line away.
final class KillPlan implements OperationListener {
    private static final int SIGKILL = 9;
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private final Path file;
    private final List<String> lines;
    private final @Nullable RestoreStep step;
    private final int percent; // Negative if a step decides.
    private final Runnable end;
    private boolean enough; // Of the pages; guarded by this, as are the next two.
    private boolean runs;
    private boolean struck; // Whoever survives, because its QEMU died in its place, goes on undisturbed.

    /// @param end what ends whoever is to die; must not return before it has
    KillPlan(Path file, Runnable end) throws IOException {
        this.file = file;
        this.end = end;
        lines = Files.exists(file) ? Files.readAllLines(file) : List.of();
        String next = lines.isEmpty() ? "" : lines.getFirst();
        boolean counts = next.endsWith("%");
        percent = counts ? Integer.parseInt(next.substring(0, next.length() - 1)) : -1;
        step = counts || next.isEmpty() ? null : RestoreStep.valueOf(next);
    }

    /// The plan beside a home, for the process that calls this.
    static KillPlan ofThisProcess(Path home) throws IOException {
        return new KillPlan(file(home), KillPlan::killThisProcess);
    }

    static Path file(Path home) {
        return home.resolveSibling("kills");
    }

    @Override
    public synchronized void reached(RestoreStep done) {
        if (done == RestoreStep.PLACED && (done == step || percent >= 0)) {
            awaitRunning(); // The end of the migration is sent next.
        }
        if (done == step) {
            strike();
        }
    }

    @Override
    public synchronized void placed(long pages, long ofPages) {
        enough = percent >= 0 && pages * 100 >= ofPages * percent;
        strikeWhereItRuns();
    }

    /// Called by the thread that hears QEMU's events: all may be placed by then, and nobody tell of it again.
    @Override
    public synchronized void running() {
        runs = true;
        notifyAll();
        strikeWhereItRuns();
    }

    /// Not for ever: the guest might wait for the very thread that waits here.
    private synchronized void awaitRunning() {
        long endNanos = System.nanoTime() + PATIENCE.toNanos();
        try {
            while (!runs && System.nanoTime() - endNanos < 0) {
                wait(10);
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private synchronized void strikeWhereItRuns() {
        if (enough && runs) {
            strike();
        }
    }

    private void strike() {
        if (struck) {
            return;
        }
        struck = true;
        try {
            Files.write(file, lines.subList(1, lines.size()));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        end.run();
    }

    private static void killThisProcess() {
        Linker linker = Linker.nativeLinker();
        MethodHandle kill = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("kill"), FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT));
        try {
            var _ = (int)
                    kill.invokeExact(Math.toIntExact(ProcessHandle.current().pid()), SIGKILL);
        } catch (Throwable e) {
            throw new AssertionError(Objects.toString(e), e);
        }
        throw new AssertionError("SIGKILL was survived");
    }
}
