package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import java.nio.file.Path;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/// The first thing that anybody runs, with a small guest: root runs it from the package, installed in a clean Debian,
/// where the commands and the daemon are tried as well. Where that cannot be, it runs from this build.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class DemoTest {
    @TempDir
    Path folder;

    private @Nullable String fromThePackage;

    @Test
    @Order(1)
    void runsFromThePackageInACleanDebian() throws Exception {
        Assumptions.assumeTrue(
                System.getProperty("user.name").equals("root"), "only root can install the package in a clean Debian");

        fromThePackage = PackagedProgram.tryWith(folder, "package-test.sh", "--json", "--memory=768M");

        assertThat(fromThePackage).isNotBlank();
    }

    @Test
    @Order(2)
    void endsWithALineOfFactsAboutAGuestThatLostNothing() {
        String out = fromThePackage == null ? fromThisProcess() : fromThePackage;

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
