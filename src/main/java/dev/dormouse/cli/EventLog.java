package dev.dormouse.cli;

import dev.dormouse.base.Json;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.ResumeResult;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;

/// Reports a resume to the command that started it, as lines of JSON at the end of a file. Nobody has to
/// read them: a restore must not depend on whether its command still lives, and a line that cannot be
/// written is left out. Any thread.
final class EventLog implements OperationListener, AutoCloseable {
    private final Path file;
    private final FileChannel channel;
    private final long startNanos = System.nanoTime();

    EventLog(Path file) throws IOException {
        this.file = file;
        this.channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    @Override
    public void running() {
        write(Map.of("event", "running", "runningMillis", (System.nanoTime() - startNanos) / 1_000_000));
    }

    @Override
    public void step(String what) {
        write(Map.of("event", "step", "step", what));
    }

    @Override
    public void progress(Progress progress) {
        write(Map.of(
                "event", "progress", "placedPages", progress.placedPages(), "nonZeroPages", progress.nonZeroPages()));
    }

    @Override
    public void stalled(String reason) {
        write(Map.of("event", "stalled", "reason", reason));
    }

    @Override
    public void unstalled() {
        write(Map.of("event", "unstalled"));
    }

    void done(ResumeResult result) {
        write(Map.of("event", "done", "result", FactsCommand.facts(result)));
    }

    void failed(String message, int exitCode) {
        write(Map.of("event", "failed", "error", message, "exitCode", exitCode));
    }

    /// The reader removes the file, too; whoever is last finds it gone.
    @Override
    public void close() throws IOException {
        channel.close();
        Files.deleteIfExists(file);
    }

    private synchronized void write(Map<String, Object> event) {
        try {
            channel.write(ByteBuffer.wrap((Json.write(event) + "\n").getBytes(StandardCharsets.UTF_8)));
        } catch (IOException _) {
            // The restore goes on unseen.
        }
    }
}
