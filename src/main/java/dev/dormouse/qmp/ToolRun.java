package dev.dormouse.qmp;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/// One bounded run of a program that ends by itself, and what it wrote to both outputs.
record ToolRun(int status, String output) {
    private static final int OUTPUT_BYTES_MAX = 1 << 20;

    static ToolRun of(List<String> argv, Duration timeout) throws IOException {
        Path output = Files.createTempFile("dormouse-run", ".txt");
        try {
            Process process = start(argv, output);
            await(process, argv, timeout);
            try (InputStream in = Files.newInputStream(output)) {
                return new ToolRun(
                        process.exitValue(), new String(in.readNBytes(OUTPUT_BYTES_MAX), StandardCharsets.UTF_8));
            }
        } finally {
            Files.deleteIfExists(output);
        }
    }

    private static Process start(List<String> argv, Path output) throws QemuException {
        try {
            return new ProcessBuilder(argv)
                    .redirectInput(Path.of("/dev/null").toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
        } catch (IOException e) {
            throw new QemuException(argv.getFirst() + ": could not be run, is it a program of this host?", e);
        }
    }

    private static void await(Process process, List<String> argv, Duration timeout) throws IOException {
        try {
            if (!process.waitFor(EventLog.nanos(timeout), TimeUnit.NANOSECONDS)) {
                throw new QmpTimeoutException(
                        String.join(" ", argv) + ": did not end within " + QmpClient.text(timeout) + ", was killed");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            var interrupted = new InterruptedIOException(argv.getFirst() + ": interrupted while it ran");
            interrupted.initCause(e);
            throw interrupted;
        } finally {
            process.destroyForcibly();
        }
    }
}
