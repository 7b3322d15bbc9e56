package dev.dormouse.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.Map;

/// What one command printed, and its exit code.
record CliRun(int exitCode, String out, String err) {
    /// Runs a command in this process, on a home of its own.
    static CliRun of(Path folder, String... args) {
        var out = new StringWriter();
        var err = new StringWriter();
        int exitCode = Main.run(environment(folder), new PrintWriter(out), new PrintWriter(err), args);
        return new CliRun(exitCode, out.toString(), err.toString());
    }

    static Map<String, String> environment(Path folder) {
        return Map.of(
                "DORMOUSE_HOME", folder.resolve("home").toString(),
                "XDG_RUNTIME_DIR", folder.resolve("run").toString(),
                "PATH", System.getenv("PATH"));
    }
}
