package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A command that works without the daemon is killed in the middle of a capture, or what it has left running in that of
/// a restore: the daemon lets the guest go on.
@Tag("qemu")
class WatchTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int TRIES = 5;
    private static final int PATTERN_MEBIBYTES = 64;

    @TempDir
    Path folder;

    @Test
    void aGuestThatStandsStillForACaptureThatWasKilledGoesOn() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            fixture.engine.create(VmRequest.named("web").withMemory("256M"));
            fixture.run("start", "web");

            killTheCapture(fixture);

            awaitState(fixture, "running");
        }
    }

    @Test
    void aGuestWhosePageServerWasKilledWithItsParentGetsItsPages() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            fixture.engine.create(GuestVm.request(GuestImage.locate(), "web", "256M"));
            fixture.run("start", "web");
            try (GuestProbe probe = GuestVm.connect(fixture.home, "web", LONG)) {
                probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
            }
            fixture.run("suspend", "web");

            try (var fault = FaultReport.inject("page server and its parent killed", "beside a daemon")) {
                fixture.orphan("web");

                awaitState(fixture, "running");
                fault.verify(() -> verify(fixture));
            }
        }
    }

    private static long verify(DaemonFixture fixture) throws Exception {
        try (GuestProbe probe = GuestVm.connect(fixture.home, "web", LONG)) {
            long bytes = probe.verify("pattern", LONG);
            assertThat(bytes).isEqualTo((long) PATTERN_MEBIBYTES << 20);
            return bytes;
        }
    }

    /// It may have published its image before it is killed; then it is tried again.
    private void killTheCapture(DaemonFixture fixture) throws Exception {
        for (int i = 0; i < TRIES; i++) {
            Process suspend = fixture.command("suspend", "web");
            boolean seen = awaitCapture(suspend);
            suspend.destroyForcibly();
            assertThat(suspend.waitFor(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
            if (seen && !isPublished()) {
                return;
            }
            awaitState(fixture, "suspended");
            fixture.run("resume", "web");
        }
        throw new AssertionError("no capture was seen in %d suspends".formatted(TRIES));
    }

    private boolean awaitCapture(Process suspend) throws Exception {
        Path state = folder.resolve("home/vms/web/state.json");
        long end = System.nanoTime() + LONG.toNanos();
        while (suspend.isAlive()) {
            assertThat(System.nanoTime() - end).isNegative();
            if (Files.readString(state).contains("SUSPENDING")) {
                return true;
            }
            TimeUnit.MILLISECONDS.sleep(1);
        }
        return false;
    }

    private boolean isPublished() throws IOException {
        try (var images = Files.list(folder.resolve("home/images"))) {
            return images.anyMatch(image -> image.toString().endsWith(".dormouse"));
        }
    }

    private static void awaitState(DaemonFixture fixture, String state) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (!fixture.state("web").equals(state)) {
            assertThat(System.nanoTime() - end).as(state).isNegative();
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }
}
