package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.restore.RestoreRecovery;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A page server that dies after the guest ran: the guest waits, and another one carries on. The guest
/// verifies every byte of its pattern, so that a page of zeros in the place of data would show.
@Tag("qemu")
class RecoveryTest {
    private static final Duration LONG = EngineFixture.LONG;

    @TempDir
    Path folder;

    @ParameterizedTest(name = "QEMU {0}, {1} memory, pages first placed {2}")
    @CsvSource({
        "7.2, anonymous, slowly",
        "7.2, anonymous, slowly-by-stream",
        "7.2, memfd, slowly",
        "10.0, anonymous, slowly",
        "10.0, memfd, slowly-by-stream",
    })
    void theGuestLosesNothingWhenItsPageServerIsKilled(String version, String memory, String first) throws Exception {
        Path qemu = EngineFixture.qemu(version);
        try (var fixture = new EngineFixture(folder, qemu)) {
            fixture.boot(fixture.request("vm1").withMemoryBackend(memory));
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.fill("pattern", 7, 96, 50, LONG);
                probe.write("file", 7, 64, LONG);
            }
            fixture.suspend("vm1");
            long pid = killServerAfterRun(fixture, first, qemu);
            assertThat(fixture.state("vm1")).isEqualTo("orphaned");

            ResumeResult recovered = fixture.resume("vm1");

            assertThat(recovered.pagesPrefetched()).isPositive();
            assertThat(fixture.engine.commandsDone("vm1").getLast().carriedOn()).isTrue();
            assertThat(fixture.process("vm1").pid()).isEqualTo(pid);
            assertThat(fixture.state("vm1")).isEqualTo("running");
            verify(fixture);
            fixture.suspend("vm1"); // Nothing of the recovery is left in QEMU that would hinder it.
            fixture.resume("vm1");
            verify(fixture);
        }
    }

    @Test
    void aRestoreThatIsOverIsOnlyCompleted() throws Exception {
        try (var fixture = new EngineFixture(folder, null)) {
            fixture.boot(fixture.request("vm1"));
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.fill("pattern", 7, 96, 50, LONG);
                probe.write("file", 7, 64, LONG);
            }
            fixture.suspend("vm1");
            // Its page server waits for this lock between the last page and the record that says so.
            try (ImagesLock _ = ImagesLock.acquire(fixture.home);
                    var child = ChildEngine.start(fixture.home.root(), "resume", "vm1")) {
                InterruptionTest.await("the guest runs", () -> child.output().contains("running"));
                long qemu = fixture.process("vm1").pid();
                InterruptionTest.await("every page is placed", () -> !RestoreRecovery.isNeeded(qemu));
                child.kill();
            }
            assertThat(fixture.state("vm1")).isEqualTo("orphaned");

            ResumeResult recovered = fixture.resume("vm1");

            assertThat(recovered.pagesOnDemand()).isZero();
            assertThat(fixture.state("vm1")).isEqualTo("running");
            assertThat(fixture.home.imageIds()).isEmpty();
            verify(fixture);
        }
    }

    /// {@return the pid of the QEMU that is left, whose guest has run}
    private static long killServerAfterRun(EngineFixture fixture, String command, @Nullable Path qemu)
            throws Exception {
        var arguments = new ArrayList<>(List.of(command, "vm1"));
        if (qemu != null) {
            arguments.add(qemu.toString());
        }
        try (var child = ChildEngine.start(fixture.home.root(), arguments.toArray(String[]::new))) {
            InterruptionTest.await("the guest runs", () -> child.output().contains("running"));
            assertThat(child.output()).doesNotContain("done");
            child.kill();
        }
        return fixture.process("vm1").pid();
    }

    private static void verify(EngineFixture fixture) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            assertThat(probe.verify("pattern", LONG)).isEqualTo(96L << 20);
            probe.check("file", 7, 64, LONG);
        }
    }
}
