package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The first thing that anybody runs, with a small guest: root runs it from the package, installed in a clean Debian,
/// where the commands and the daemon are tried as well.
@Tag("qemu")
class DemoTest {
    @TempDir
    Path folder;

    @Test
    void endsWithALineOfFactsAboutAGuestThatLostNothing() throws Exception {
        String out = System.getProperty("user.name").equals("root")
                ? PackagedProgram.tryWith(folder, "package-test.sh", "--json", "--memory=768M")
                : fromThisProcess();

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
}
