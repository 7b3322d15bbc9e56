package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.restore.RestoreListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Shows other processes how a restore is getting on, and lets them ask for haste: two small files in the
/// runtime folder, neither of which anything depends on.
final class RestoreStatus implements RestoreListener {
    private final OperationListener next;
    private final Path file;
    private final Path hurryFile;
    private volatile @Nullable String stalledReason;
    private Progress last = new Progress(0, 0, 0, 0, 0);

    RestoreStatus(VmSockets sockets, OperationListener next) throws IOException {
        this.next = next;
        this.file = sockets.runtime().resolve("restore-status");
        this.hurryFile = hurryFile(sockets);
        Files.deleteIfExists(hurryFile);
    }

    /// @param stalledReason null unless a page cannot be served
    @io.avaje.jsonb.Json
    record Report(
            long placedPages, long nonZeroPages, @Nullable String stalledReason) {}

    static Optional<Report> read(VmSockets sockets) {
        try {
            return Optional.of(
                    Json.parse(Report.class, Files.readString(sockets.runtime().resolve("restore-status"))));
        } catch (IOException | IllegalArgumentException _) {
            return Optional.empty();
        }
    }

    /// Asks the page server of the VM to place the rest as fast as it can.
    static void askForHaste(VmSockets sockets) throws IOException {
        Files.write(hurryFile(sockets), new byte[0]);
    }

    void close() throws IOException {
        Files.deleteIfExists(file);
        Files.deleteIfExists(hurryFile);
    }

    @Override
    public void progress(Progress progress) {
        last = progress;
        write();
        next.progress(progress);
    }

    @Override
    public void placement(List<String> ways, String reason) {
        next.placement(ways, reason);
    }

    @Override
    public void stalled(String reason) {
        stalledReason = reason;
        write();
        next.stalled(reason);
    }

    @Override
    public void unstalled() {
        stalledReason = null;
        write();
        next.unstalled();
    }

    @Override
    public boolean hurry() {
        return next.hurry() || Files.exists(hurryFile);
    }

    private void write() {
        try {
            Path aside = file.resolveSibling("restore-status.new");
            Files.writeString(aside, Json.write(new Report(last.placedPages(), last.nonZeroPages(), stalledReason)));
            Files.move(aside, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException _) {
            // Only a display; the restore goes on without it.
        }
    }

    private static Path hurryFile(VmSockets sockets) {
        return sockets.runtime().resolve("hurry");
    }
}
