package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.restore.RestoreReport;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// The report of a VM's last restore, `last-restore.json` in its folder. Nothing depends on it.
final class LastRestore {
    private final Storage storage;
    private final Path file;

    LastRestore(Vm vm) {
        storage = vm.storage();
        file = vm.folder().resolve("last-restore.json");
    }

    /// Writes it if that is possible: a restore that has succeeded does not fail for its report.
    void write(RestoreReport report) {
        try {
            String text = Json.writePretty(report) + "\n";
            storage.writeAtomically(file, text.getBytes(StandardCharsets.UTF_8));
        } catch (IOException _) {
            // Only a display.
        }
    }

    Path file() {
        return file;
    }

    /// {@return the report, if there was a restore and its report can be understood}
    Optional<RestoreReport> read() throws IOException {
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        try {
            return Optional.of(Json.parse(RestoreReport.class, Files.readString(file)));
        } catch (IllegalArgumentException _) {
            return Optional.empty();
        }
    }
}
