package dev.dormouse.bench;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.VmStatus;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuException;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QemuVersion;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.qmp.QmpEvent;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Map;
import java.util.Set;

/// The stock way: QEMU's own full save into a file and its own eager restore, by the fastest means that
/// the version has: mapped-ram with multifd from 9.0 on, else a plain stream, which is read from the file
/// itself: through a pipe, as most scripts do it, takes several times as long.
final class StockQemu {
    private static final Duration TIMEOUT = Duration.ofMinutes(5);
    /// Its sockets close a moment before it is gone.
    private static final Duration EXIT_GRACE = Duration.ofSeconds(2);

    private final Engine engine;
    private final String vm;
    private final Path file;
    private final Means means;

    /// By the fastest means of the version.
    StockQemu(Engine engine, String vm, Path file) throws IOException {
        this(engine, vm, file, Means.best(engine.tools().qemu().version()));
    }

    StockQemu(Engine engine, String vm, Path file, Means means) {
        this.engine = engine;
        this.vm = vm;
        this.file = file;
        this.means = means;
    }

    /// How QEMU saves and restores by itself.
    enum Means {
        /// An ordinary migration stream.
        STREAM("stream"),
        /// Each page at its own place of the file, several threads; from 9.0 on.
        MAPPED_RAM("mapped-ram, multifd");

        private final String text;

        Means(String text) {
            this.text = text;
        }

        static Means best(QemuVersion version) {
            return version.atLeast(9, 0) ? MAPPED_RAM : STREAM;
        }

        /// {@return the name for reports}
        String text() {
            return text;
        }
    }

    /// A QEMU that has restored the file. Milliseconds from the call of [#restore].
    ///
    /// @param readyMillis until its monitor greeted
    /// @param runningMillis until it was told to let the guest run
    record Restored(QemuProcess qemu, double readyMillis, double runningMillis) {}

    /// Saves the running VM into the file and ends its QEMU.
    ///
    /// @return milliseconds from the call until QEMU had ended
    double save(QemuProcess qemu) throws IOException {
        long start = System.nanoTime();
        write(qemu);
        qemu.awaitExit(TIMEOUT);
        return (System.nanoTime() - start) / 1e6;
    }

    /// Saves the state that a stream holds into the file, without letting the guest run: files of several means
    /// hold the same state then. The VM may have no QEMU, and has none afterwards.
    ///
    /// @return milliseconds that the save took, with its bytes on the disk
    double saveFrom(Path stream) throws IOException {
        QemuProcess qemu =
                new StockQemu(engine, vm, stream, Means.STREAM).restore(false).qemu();
        try {
            long start = System.nanoTime();
            save(qemu);
            try (FileChannel saved = FileChannel.open(file, StandardOpenOption.WRITE)) {
                saved.force(true);
            }
            return (System.nanoTime() - start) / 1e6;
        } catch (IOException e) {
            qemu.kill();
            throw e;
        }
    }

    private void write(QemuProcess qemu) throws IOException {
        VmStatus status = engine.status(vm);
        try (QmpClient qmp = QmpClient.connect(Path.of(status.qmpSocket()), Duration.ofSeconds(10), qemu)) {
            qmp.execute("stop");
            QemuVersion version = QemuVersion.ofReply(qmp.execute("query-version"));
            var migrations = new Migrations(qmp);
            migrations.resetCapabilities();
            prepare(migrations);
            migrations.setParameters(Map.of("max-bandwidth", 0));
            migrations.startOutgoing(version.atLeast(9, 0) ? "file:" + file : "exec:cat > " + file);
            migrations.awaitCompleted(TIMEOUT);
            migrations.resetCapabilities();
            qmp.execute("quit");
        }
    }

    /// Starts a QEMU that restores the file; returns when the guest has been told to run.
    ///
    /// @throws QemuException if QEMU could not load the file; its process is gone then
    Restored restore() throws IOException {
        return restore(true);
    }

    /// @param run whether the guest is told to run
    private Restored restore(boolean run) throws IOException {
        long start = System.nanoTime();
        VmStatus status = engine.status(vm);
        for (String socket : new String[] {"qmp", "oob", "rate", "control"}) {
            Files.deleteIfExists(Path.of(status.qmpSocket()).resolveSibling(socket));
        }
        var spec = new QemuProcess.Spec(
                engine.commandLine(vm, true), engine.home().vm(vm).resolve("stock.log"));
        QemuProcess qemu = QemuProcess.start(spec.withInput(file));
        try {
            return load(qemu, status, start, run);
        } catch (IOException e) {
            if (qemu.awaitExit(EXIT_GRACE)) {
                throw qemu.died(e);
            }
            qemu.kill();
            throw e;
        }
    }

    private Restored load(QemuProcess qemu, VmStatus status, long startNanos, boolean run) throws IOException {
        try (QmpClient qmp = QmpClient.connect(Path.of(status.qmpSocket()), Duration.ofSeconds(10), qemu)) {
            double readyMillis = (System.nanoTime() - startNanos) / 1e6;
            QemuVersion version = QemuVersion.ofReply(qmp.execute("query-version"));
            var migrations = new Migrations(qmp);
            prepare(migrations);
            long mark = qmp.eventMark();
            migrations.startIncoming(version.atLeast(9, 0) ? "file:" + file : "fd:0");
            QmpEvent end = migrations.awaitStatusEvent(mark, Set.of("completed", "failed"), TIMEOUT);
            if ("failed".equals(end.data().get("status"))) {
                migrations.awaitCompleted(TIMEOUT); // Throws with QEMU's reason.
            }
            double runningMillis = (System.nanoTime() - startNanos) / 1e6;
            // The save was of a paused VM, so it comes back paused.
            if (run) {
                qmp.execute("cont");
            }
            return new Restored(qemu, readyMillis, runningMillis);
        }
    }

    private void prepare(Migrations migrations) throws IOException {
        if (means == Means.MAPPED_RAM) {
            migrations.setCapabilities(Map.of("events", true, "mapped-ram", true, "multifd", true));
            migrations.setParameters(Map.of("multifd-channels", 2));
        } else {
            migrations.setCapabilities(Map.of("events", true));
        }
    }
}
