package dev.dormouse.base;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// Runs a short program without a shell and keeps what it printed. Blocks the caller, at most for the
/// time given; a program that takes longer is killed.
public final class Command {
    private static final int OUTPUT_BYTES_MAX = 64 << 20;

    /// What a program left behind.
    ///
    /// @param output standard output, at most 64 MiB
    /// @param errors standard error
    public record Result(int exitCode, String output, String errors) {}

    /// A program failed, or did not end in time.
    public static final class CommandException extends DormouseException {
        private static final long serialVersionUID = 1L;

        CommandException(String message) {
            super(message);
        }
    }

    private Command() {}

    /// Runs the program and fails unless it exits with 0.
    ///
    /// @return its standard output
    public static String run(List<String> argv, Duration timeout) throws IOException {
        Result result = tryRun(argv, timeout);
        if (result.exitCode() != 0) {
            throw new CommandException("%s: exit code %d: %s"
                    .formatted(
                            String.join(" ", argv),
                            result.exitCode(),
                            result.errors().strip().replace("\n", "; ")));
        }
        return result.output();
    }

    /// Runs the program, whatever its exit code.
    public static Result tryRun(List<String> argv, Duration timeout) throws IOException {
        Process process = new ProcessBuilder(argv)
                .redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")))
                .start();
        CompletableFuture<String> output = read(process.getInputStream());
        CompletableFuture<String> errors = read(process.getErrorStream());
        try {
            if (!process.waitFor(timeout.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new CommandException(
                        "%s: still running after %d ms, ended".formatted(String.join(" ", argv), timeout.toMillis()));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandException("%s: interrupted, ended".formatted(String.join(" ", argv)));
        } finally {
            // Of a process that has ended this would close its outputs before they were read.
            if (process.isAlive()) {
                process.destroyForcibly();
            }
        }
        return new Result(process.exitValue(), output.join(), errors.join());
    }

    private static CompletableFuture<String> read(InputStream in) {
        var text = new CompletableFuture<String>();
        Thread.ofVirtual().start(() -> {
            try (in) {
                text.complete(new String(in.readNBytes(OUTPUT_BYTES_MAX), StandardCharsets.UTF_8));
            } catch (IOException _) {
                text.complete("");
            }
        });
        return text;
    }
}
