package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The first thing that anybody runs, with a small guest: root runs it from the package, installed in a clean Debian,
/// where the commands and the daemon are tried as well.
@Tag("qemu")
class DemoTest {
    private static final int MINUTES_MAX = 10;

    @TempDir
    Path folder;

    @Test
    void endsWithALineOfFactsAboutAGuestThatLostNothing() throws Exception {
        String out = System.getProperty("user.name").equals("root") ? fromThePackage() : fromThisProcess();

        Map<String, Object> facts =
                Json.parseObject(out.strip().lines().toList().getLast());
        assertThat(facts)
                .containsKeys(
                        "qemuVersion",
                        "accel",
                        "vmMemoryBytes",
                        "nonZeroBytes",
                        "imageBytes",
                        "suspendMs",
                        "firstResponseMs",
                        "completeMs",
                        "pagesOnDemand",
                        "pagesPrefetched",
                        "stockSuspendMs",
                        "stockImageBytes",
                        "stockFirstResponseMs")
                .containsEntry("guestMemoryIntact", true)
                .containsEntry("guestFilesIntact", true);
        assertThat((Long) facts.get("imageBytes")).isPositive().isLessThan((Long) facts.get("stockImageBytes"));
        assertThat((Long) facts.get("pagesPrefetched")).isPositive();
    }

    private String fromThisProcess() {
        CliRun run = CliRun.of(folder, "demo", "--json", "--memory=768M");
        assertThat(run.exitCode()).as("%s", run).isZero();
        return run.out();
    }

    private String fromThePackage() throws Exception {
        Path out = folder.resolve("out");
        Path log = folder.resolve("log");
        Process packaging = new ProcessBuilder("bash", "-c", """
                        set -e
                        package="$(scripts/package.sh none | tail --lines 1)"
                        exec scripts/package-test.sh "$package" "$1" --json --memory=768M
                        """, "package", System.getProperty("dormouse.guest"))
                .directory(Path.of(System.getProperty("dormouse.root", ".")).toFile())
                .redirectInput(new File("/dev/null"))
                .redirectError(log.toFile())
                .redirectOutput(out.toFile())
                .start();
        try {
            assertThat(packaging.waitFor(MINUTES_MAX, TimeUnit.MINUTES)).isTrue();
        } finally {
            packaging.destroy(); // Its trap unmounts the root.
        }
        assertThat(packaging.exitValue()).as(Files.readString(log)).isZero();
        return Files.readString(out);
    }
}
