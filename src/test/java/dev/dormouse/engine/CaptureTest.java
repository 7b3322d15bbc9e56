package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.VmRequest.DiskRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Captures of VMs whose guest does not matter: none is installed.
@Tag("qemu")
class CaptureTest {
    @TempDir
    Path folder;

    private EngineFixture fixture;

    @BeforeEach
    void open() throws Exception {
        fixture = new EngineFixture(folder);
    }

    @AfterEach
    void close() throws IOException {
        fixture.close();
    }

    private List<DiskRequest> disk() throws IOException {
        return List.of(new DiskRequest(fixture.smallDisk("disk").toString(), null, null));
    }

    /// The snapshots are taken by then, so the VM is on its new overlay; the next one needs another name.
    @Test
    void aCheckpointThatFailsLateLeavesTheVmOnItsNewOverlay() throws Exception {
        fixture.engine.create(VmRequest.named("vm1").withMemory("16M").withDisks(disk()));
        fixture.engine.start("vm1", false);
        var cancellation = new Cancellation();
        var atTheEnd = new OperationListener() {
            @Override
            public void captured(long bytes, long totalBytes) {
                if (bytes == totalBytes) {
                    cancellation.cancel();
                }
            }
        };

        assertThatThrownBy(() -> fixture.engine.checkpoint("vm1", atTheEnd, cancellation))
                .hasMessage("vm vm1: cancelled, the VM runs on");

        assertThat(fixture.state("vm1")).isEqualTo("running");
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw", "disk0-1.qcow2");
        assertThat(EngineFixture.fileNames(fixture.home.images())).isEmpty();
        fixture.checkpoint("vm1");
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw", "disk0-1.qcow2", "disk0-2.qcow2");
        assertThat(fixture.diskFiles("vm1")).containsExactly("disk0-1.qcow2", "disk0-2.qcow2");
    }

    /// Without the display's device the clone's QEMU would refuse the captured state.
    @Test
    void aCloneOfAVmWithADisplayHasOneThatListensNowhere() throws Exception {
        String display = "unix:" + folder.resolve("vnc");
        VmRequest plain = VmRequest.named("vm1").withMemory("64M").withDisks(disk());
        fixture.engine.create(new VmRequest(
                plain.name(),
                plain.memory(),
                null,
                null,
                null,
                null,
                null,
                plain.disks(),
                null,
                null,
                null,
                null,
                display,
                null,
                null,
                null,
                null,
                null,
                null));
        fixture.engine.start("vm1", false);
        String image = fixture.checkpoint("vm1").image();

        fixture.engine.restoreAs(image, "vm2");
        fixture.resume("vm2");

        assertThat(fixture.state("vm2")).isEqualTo("running");
        assertThat(fixture.state("vm1")).isEqualTo("running");
    }

    @Test
    void aStoppedVmLeavesNoSocketsOrFilesBehind() throws Exception {
        fixture.engine.create(VmRequest.named("vm1").withMemory("16M").withDisks(disk()));
        fixture.engine.start("vm1", false);
        fixture.suspend("vm1");
        fixture.resume("vm1");
        fixture.engine.stop("vm1", true, EngineFixture.LONG, OperationListener.NONE);

        assertThat(EngineFixture.fileNames(fixture.home.sockets("vm1"))).isEmpty();
        assertThat(EngineFixture.fileNames(fixture.home.vm("vm1")))
                .containsExactly(
                        "commands.jsonl",
                        "disks",
                        "last-restore.json",
                        "lock",
                        "qemu.log",
                        "serial.log",
                        "state.json",
                        "vm.json",
                        "working-set");
        assertThat(fixture.diskFiles("vm1")).isEmpty();
    }

    @Test
    void anImageElsewhereIsNotRestored() throws Exception {
        fixture.engine.create(VmRequest.named("vm1").withMemory("16M"));
        fixture.engine.start("vm1", false);
        String image = fixture.checkpoint("vm1").image();
        Path copy = Files.copy(fixture.home.image(image), folder.resolve("copy.dormouse"));

        assertThatThrownBy(() -> fixture.engine.restoreAs(copy.toString(), "vm2"))
                .hasMessage(
                        "image %s: is not one of this home, move it to %s".formatted(copy, fixture.home.image(image)));

        assertThat(fixture.home.vm("vm2")).doesNotExist();
    }
}
