package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Pages are placed one by one, so that a restored guest would be without huge pages.
@Tag("qemu")
@Timeout(120)
class HugePagesTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final long PATTERN_KIB = 96 << 10;

    @TempDir
    Path folder;

    @Test
    void aRestoredGuestHasItsHugePagesAgain() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.fill("pattern", 7, (int) (PATTERN_KIB >> 10), 50, LONG);
            }
            fixture.suspend("vm1");

            fixture.resume("vm1");

            // A guest in huge pages knows nothing of it: its frames may lie anywhere, so not all of them fit.
            assertThat(hugeKibibytes(fixture)).isGreaterThan(PATTERN_KIB / 2);
            try (GuestProbe probe = fixture.probe("vm1")) {
                assertThat(probe.verify("pattern", LONG)).isEqualTo(PATTERN_KIB << 10);
            }
        }
    }

    /// {@return the private memory of the VM's QEMU that is in huge pages}
    private static long hugeKibibytes(EngineFixture fixture) throws Exception {
        Path rollup = Path.of("/proc/" + fixture.process("vm1").pid() + "/smaps_rollup");
        return Files.readAllLines(rollup).stream()
                .filter(line -> line.startsWith("AnonHugePages:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
                .sum();
    }
}
