package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.testkit.FaultyFile;
import dev.dormouse.testkit.FaultyFile.Fault;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The host's storage fails, really: a device that fails by FUSE, a file system that is full. The guest waits with a
/// reason, and goes on and has lost nothing when the storage is mended.
@Tag("qemu")
class StorageFaultTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final int EIO = 5;

    @TempDir
    Path folder;

    private interface Action {
        void run() throws Exception;
    }

    private static CompletableFuture<Void> inBackground(Action action) {
        return CompletableFuture.runAsync(
                () -> {
                    try {
                        action.run();
                    } catch (Exception e) {
                        throw new AssertionError(e);
                    }
                },
                task -> Thread.ofPlatform().daemon().start(task)); // The common pool has one thread on two processors.
    }

    private static void awaitStalled(EngineFixture fixture) throws Exception {
        InterruptionTest.await("the fault is shown", () -> fixture.state("vm1").equals("stalled"));
    }

    /// A guest that is told of an error gives its file system up; so it is not told.
    @Test
    void aDiskThatFailsStopsTheGuestUntilItIsMended() throws Exception {
        try (var fixture = new EngineFixture(folder);
                var device = FaultyFile.over(fixture.smallDisk("vm1"))) {
            Path disk = folder.resolve("vm1.raw");
            VmRequest request = dev.dormouse.bench.GuestVm.request(fixture.guest, "vm1", "384M")
                    .withDisks(List.of(new DiskRequest(disk.toString(), null, null)));
            fixture.boot(request);
            device.fail(new Fault("write", -1, EIO));
            CompletableFuture<Void> write = writes(fixture, 1024);

            awaitStalled(fixture);
            assertThat(fixture.engine.status("vm1").stalledReason())
                    .isEqualTo(disk + ": it or a layer below it cannot be read or written, mend it, "
                            + "then 'dormouse resume vm1' carries on");
            assertThatThrownBy(() -> fixture.resume("vm1")).hasMessageContaining("cannot be read or written");
            device.mend();
            fixture.resume("vm1");

            write.get(1, TimeUnit.MINUTES);
            assertWritten(fixture, 1024);
        }
    }

    /// As when the host ends meanwhile.
    @Test
    void aGuestWhoseDiskFailedMayBeSuspendedAndGoesOnWhenItIsBack() throws Exception {
        try (var fixture = new EngineFixture(folder);
                var device = FaultyFile.over(fixture.smallDisk("vm1"))) {
            Path disk = folder.resolve("vm1.raw");
            VmRequest request = dev.dormouse.bench.GuestVm.request(fixture.guest, "vm1", "384M")
                    .withDisks(List.of(new DiskRequest(disk.toString(), null, null)));
            fixture.boot(request);
            device.fail(new Fault("write", -1, EIO));
            CompletableFuture<Void> write = writes(fixture, 1024);
            awaitStalled(fixture);

            fixture.engine.suspend("vm1", OperationListener.NONE, new Cancellation());
            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            assertThatThrownBy(() -> write.get(1, TimeUnit.MINUTES)) // Its connection ended with QEMU.
                    .isInstanceOf(ExecutionException.class);
            device.mend();
            fixture.resume("vm1");

            assertThat(fixture.state("vm1")).isEqualTo("running");
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.ping("boot", LONG);
                probe.write("late", 5, 1024, LONG);
            }
            assertWritten(fixture, 1024);
        }
    }

    private static CompletableFuture<Void> writes(EngineFixture fixture, int kibibytes) {
        return inBackground(() -> {
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.write("late", 5, kibibytes, LONG);
            }
        });
    }

    private static void assertWritten(EngineFixture fixture, int kibibytes) throws Exception {
        assertThat(fixture.state("vm1")).isEqualTo("running");
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.dropCaches(LONG);
            probe.check("late", 5, kibibytes, LONG);
        }
    }

    @Test
    void aFullFileSystemStopsTheGuestUntilThereIsSpace() throws Exception {
        Path mount = Files.createDirectory(folder.resolve("home"));
        var mounted = Command.tryRun(
                List.of("mount", "-t", "tmpfs", "-o", "size=24m", "dormouse-test", mount.toString()), LONG);
        Assumptions.assumeTrue(mounted.exitCode() == 0, "only root may mount a small file system");
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(dev.dormouse.bench.GuestVm.request(fixture.guest, "vm1", "384M")
                    .withDisks(List.of(
                            new DiskRequest(null, fixture.smallDisk("golden").toString(), null))));
            CompletableFuture<Void> write = writes(fixture, 40 << 10);

            awaitStalled(fixture);
            assertThat(fixture.engine.status("vm1").stalledReason())
                    .contains("no space is left for what the guest writes, make some");
            Command.run(List.of("mount", "-o", "remount,size=300m", mount.toString()), LONG);
            fixture.resume("vm1");

            write.get(1, TimeUnit.MINUTES);
            assertWritten(fixture, 40 << 10);
        } finally {
            Command.run(List.of("umount", "--lazy", mount.toString()), LONG);
        }
    }

    /// The layer that the overlay is merged into cannot be written: the guest stays on its overlay.
    @Test
    void aMergeIntoADiskThatFailsLeavesTheGuestOnItsOverlay() throws Exception {
        try (var fixture = new EngineFixture(folder);
                var device = FaultyFile.over(fixture.smallDisk("vm1"))) {
            Path disk = folder.resolve("vm1.raw");
            VmRequest request = dev.dormouse.bench.GuestVm.request(fixture.guest, "vm1", "384M")
                    .withDisks(List.of(new DiskRequest(disk.toString(), null, null)));
            fixture.boot(request);
            String image = fixture.checkpoint("vm1").image();
            fixture.engine.images().remove(image);
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.write("late", 5, 1024, LONG);
            }
            device.fail(new Fault("write", -1, EIO));

            assertThat(fixture.engine
                            .collectGarbage(false, OperationListener.NONE)
                            .passedOver())
                    .hasSize(1);
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw", "disk0-1.qcow2");
            assertWritten(fixture, 1024);
            device.mend();

            assertThat(fixture.engine
                            .collectGarbage(false, OperationListener.NONE)
                            .items())
                    .hasSize(1);
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");
            assertWritten(fixture, 1024);
        }
    }
}
