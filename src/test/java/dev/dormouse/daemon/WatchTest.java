package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A command that works without the daemon is killed in the middle of a capture: the daemon lets the guest go on.
@Tag("qemu")
class WatchTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int TRIES = 5;

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

    /// It may have published its image before it is killed; then it is tried again.
    private void killTheCapture(DaemonFixture fixture) throws Exception {
        for (int i = 0; i < TRIES; i++) {
            Process suspend = startSuspend();
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

    private Process startSuspend() throws IOException {
        var builder = new ProcessBuilder(ProgramInTest.command("--no-daemon", "suspend", "web"));
        builder.environment().putAll(ProgramInTest.environment(folder));
        return builder.redirectErrorStream(true)
                .redirectOutput(folder.resolve("suspend.log").toFile())
                .start();
    }
}
