package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Command;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A QEMU that waits for a resume, with a real QEMU that has no guest.
@Tag("qemu")
class StandbyTest {
    @TempDir
    Path folder;

    @Test
    void isTakenByTheResumeAndByNothingElse() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            suspendedVm(fixture);

            long waiting = standby(fixture);
            assertThat(standby(fixture)).as("goes on waiting").isEqualTo(waiting);
            fixture.engine.settle("vm1");
            assertThat(fixture.engine.isOnStandby("vm1")).isFalse();
            awaitGone(waiting);

            waiting = standby(fixture);
            VmLock starts = VmLock.acquire(Vm.open(fixture.home, "vm1"), VmLock.STANDBY);
            CompletableFuture.delayedExecutor(800, TimeUnit.MILLISECONDS).execute(starts::close);
            fixture.engine.resume("vm1", ResumeOptions.DEFAULT, OperationListener.NONE); // Waits until it has started.
            assertThat(fixture.engine.status("vm1").pid()).isEqualTo(waiting);
            assertThat(fixture.engine.status("vm1").standbyPid()).isNull();
            assertThatThrownBy(() -> fixture.engine.standby("vm1"))
                    .hasMessage("vm vm1: not suspended, a QEMU waits only for the resume of a suspended VM");
            assertThat(fixture.engine.status("vm1").pid()).isEqualTo(waiting);

            suspend(fixture);
            waiting = standby(fixture);
            fixture.engine.start("vm1", true);
            assertThat(fixture.engine.status("vm1").pid()).isNotEqualTo(waiting);
            awaitGone(waiting);

            suspend(fixture);
            waiting = standby(fixture);
            fixture.engine.remove("vm1", true);
            awaitGone(waiting);
        }
    }

    @Test
    void isNotTakenWhenItHasOtherFilesOpenOrIsNotWhatWouldBeStarted() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            Path disk = suspendedVm(fixture);

            long waiting = standby(fixture);
            Path copy = folder.resolve("copy.raw");
            Files.copy(disk, copy, StandardCopyOption.COPY_ATTRIBUTES);
            Files.move(copy, disk, StandardCopyOption.REPLACE_EXISTING);
            assertThat(standby(fixture)).as("another file of that name").isNotEqualTo(waiting);

            waiting = standby(fixture);
            Files.setLastModifiedTime(disk, Files.getLastModifiedTime(disk));
            assertThat(standby(fixture)).as("touched").isNotEqualTo(waiting);

            waiting = standby(fixture);
            Path config = folder.resolve("home/vms/vm1/vm.json");
            Files.writeString(
                    config, Files.readString(config).replaceFirst("\\{", "{ \"vnc\": \"unix:{runtime}/vnc\","));
            assertThat(standby(fixture)).as("another command line").isNotEqualTo(waiting);

            waiting = standby(fixture);
            Command.run(List.of("kill", "-STOP", String.valueOf(waiting)), EngineFixture.LONG);
            assertThat(standby(fixture)).as("hangs").isNotEqualTo(waiting);

            waiting = standby(fixture);
            ProcessHandle.of(waiting).orElseThrow().destroyForcibly();
            fixture.engine.resume("vm1", ResumeOptions.DEFAULT, OperationListener.NONE);
            assertThat(fixture.engine.status("vm1").pid())
                    .as("killed meanwhile")
                    .isNotEqualTo(waiting);
        }
    }

    /// {@return its disk}
    private Path suspendedVm(EngineFixture fixture) throws Exception {
        Path disk = fixture.startWithoutGuest("vm1");
        suspend(fixture);
        return disk;
    }

    private static void suspend(EngineFixture fixture) throws Exception {
        fixture.engine.suspend("vm1", OperationListener.NONE, new Cancellation());
    }

    /// One that has ended still has an entry until it is fetched, which another thread of ours does.
    private static void awaitGone(long pid) throws Exception {
        InterruptionTest.await("it is gone", () -> ProcessHandle.of(pid).isEmpty());
    }

    private static long standby(EngineFixture fixture) throws Exception {
        Long pid = fixture.engine.standby("vm1").standbyPid();
        assertThat(pid).isNotNull();
        return pid == null ? -1 : pid;
    }
}
