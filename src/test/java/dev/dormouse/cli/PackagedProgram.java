package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/// The package of this build, tried by a script in a clean Debian. For root.
final class PackagedProgram {
    private static final int MINUTES_MAX = 10;
    /// The exit code of a script for what cannot be tried here; the last line of its log says why.
    private static final int NOT_HERE = 3;

    private PackagedProgram() {}

    /// Makes the package, and has a script try it with the guest of the tests.
    ///
    /// @param folder for what it prints
    /// @return its standard output; it has succeeded
    static String tryWith(Path folder, String script, String... options) throws Exception {
        Path out = folder.resolve("out");
        Path log = folder.resolve("log");
        var command =
                new ArrayList<>(List.of("bash", "-c", """
                set -e
                package="$(scripts/package.sh none | tail --lines 1)"
                exec "scripts/$1" "$package" "${@:2}"
                """, "package", script, System.getProperty("dormouse.guest")));
        command.addAll(List.of(options));
        Process process = new ProcessBuilder(command)
                .directory(Path.of(System.getProperty("dormouse.root", ".")).toFile())
                .redirectInput(new File("/dev/null"))
                .redirectError(log.toFile())
                .redirectOutput(out.toFile())
                .start();
        try {
            assertThat(process.waitFor(MINUTES_MAX, TimeUnit.MINUTES)).isTrue();
        } finally {
            process.destroy(); // Its trap removes the root.
        }
        String lines = Files.readString(log);
        Assumptions.assumeFalse(
                process.exitValue() == NOT_HERE, lines.strip().lines().reduce("", (_, last) -> last));
        assertThat(process.exitValue()).as(lines).isZero();
        return Files.readString(out);
    }
}
