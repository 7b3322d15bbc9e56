package dev.dormouse.cli;

import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The unit of the package under a real systemd, which `scripts/service-test.sh` boots in a clean Debian.
@Tag("qemu")
class ServiceTest {
    @TempDir
    Path folder;

    @Test
    void keepsVmsThroughRestartsKillsAndTheEndOfTheHost() throws Exception {
        Assumptions.assumeTrue(System.getProperty("user.name").equals("root"), "only root can boot a systemd");

        PackagedProgram.tryWith(folder, "service-test.sh");
    }
}
