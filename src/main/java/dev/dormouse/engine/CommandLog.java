package dev.dormouse.engine;

import dev.dormouse.base.Json;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// What commands did with a VM without the daemon, the last of it: `commands.jsonl` in its folder, a [CommandDone] on
/// each line, the oldest first. For a daemon that looks some time later; nothing else depends on it. Written by whoever
/// holds the lock of the VM.
final class CommandLog {
    private static final int KEPT = 50;

    private final Vm vm;
    private final Path file;

    CommandLog(Vm vm) {
        this.vm = vm;
        file = vm.folder().resolve(Home.COMMAND_LOG);
    }

    /// Writes it if that is possible: what has succeeded does not fail for that.
    ///
    /// @param listener one that writes it down itself has nothing written here
    void add(CommandDone done, OperationListener listener) {
        if (listener.isRecording()) {
            return;
        }
        try {
            var lines = new ArrayList<>(readOrBeginAnew());
            lines.add(done);
            var text = new StringBuilder();
            for (CommandDone line : lines.subList(Math.max(0, lines.size() - KEPT), lines.size())) {
                text.append(Json.write(line)).append('\n');
            }
            vm.storage().writeAtomically(file, text.toString().getBytes(StandardCharsets.UTF_8));
        } catch (IOException _) {
            // Only history.
        }
    }

    private List<CommandDone> readOrBeginAnew() {
        try {
            return read();
        } catch (IOException _) {
            return List.of(); // Else nothing would be written down any more.
        }
    }

    /// {@return what can be understood of it}
    List<CommandDone> read() throws IOException {
        if (!Files.exists(file)) {
            return List.of();
        }
        // Bytes that are no text become a sign that stands for that, and cost no more than their line.
        return new String(Files.readAllBytes(file), StandardCharsets.UTF_8)
                .lines()
                .flatMap(line -> parse(line).stream())
                .toList();
    }

    private static Optional<CommandDone> parse(String line) {
        try {
            return Optional.<CommandDone>ofNullable(Json.parse(CommandDone.class, line))
                    .filter(CommandDone::isWhole);
        } catch (IllegalArgumentException _) {
            return Optional.empty();
        }
    }
}
