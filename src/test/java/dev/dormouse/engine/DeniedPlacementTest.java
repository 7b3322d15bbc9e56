package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A page server that may not borrow the descriptors of its QEMU, as in many containers and under Yama.
@Tag("qemu")
class DeniedPlacementTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final String REASON =
            "process \\d+: its descriptors cannot be borrowed: Operation not permitted; the right to ptrace it is"
                    + " needed";

    @TempDir
    Path folder;

    private static ChildEngine denied(EngineFixture fixture, String command) throws IOException {
        return ChildEngine.start(fixture.home.root(), "denied-" + command, "vm1");
    }

    private static String run(EngineFixture fixture, String command) throws IOException, InterruptedException {
        try (var child = denied(fixture, command)) {
            return child.await();
        }
    }

    @Test
    void placesThroughTheStreamOrSaysWhatIsMissing() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.fill("pattern", 7, 48, 50, LONG);
            }
            fixture.suspend("vm1");

            assertThat(run(fixture, "directly"))
                    .matches("failed: vm vm1: resume failed: " + REASON
                            + "; nothing is lost, 'dormouse resume vm1' tries again");
            assertThat(fixture.state("vm1")).isEqualTo("suspended");

            assertThat(run(fixture, "resume").lines())
                    .satisfiesExactlyInAnyOrder(
                            line -> assertThat(line).matches("by stream: " + REASON),
                            line -> assertThat(line).isEqualTo("running"),
                            line -> assertThat(line).isEqualTo("done"));
            assertThat(fixture.engine.status("vm1").lastRestore().placementReason())
                    .matches(REASON);
            verify(fixture);

            fixture.suspend("vm1");
            aRecoveryGoesByStreamToo(fixture);
            verify(fixture);

            fixture.suspend("vm1");
            assertThat(run(fixture, "eagerly")).isEqualTo("running\ndone");
            assertThat(fixture.engine.status("vm1").lastRestore().pagesWritten())
                    .isZero();
            verify(fixture);
        }
    }

    private static void aRecoveryGoesByStreamToo(EngineFixture fixture) throws Exception {
        try (var child = denied(fixture, "slowly")) {
            InterruptionTest.await("the guest runs", () -> child.output().contains("running"));
            child.kill();
        }
        assertThat(fixture.state("vm1")).isEqualTo("orphaned");

        PageServerKills.assertCarriesOn(fixture, run(fixture, "resume"));
    }

    private static void verify(EngineFixture fixture) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            assertThat(probe.verify("pattern", LONG)).isEqualTo(48L << 20);
        }
    }
}
