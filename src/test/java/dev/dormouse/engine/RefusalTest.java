package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.VmRequest.DiskRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What is refused before any guest runs.
@Tag("qemu")
class RefusalTest {
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

    private interface Operation {
        Object run() throws IOException;
    }

    @Test
    void knowsNoSuchVm() throws IOException {
        Engine engine = fixture.engine;
        List<Operation> operations = List.of(
                () -> engine.status("nemo"),
                () -> engine.start("nemo", false),
                () -> fixture.suspend("nemo"),
                () -> fixture.checkpoint("nemo"),
                () -> fixture.resume("nemo"),
                () -> engine.stop("nemo", true, Duration.ZERO, OperationListener.NONE));

        for (Operation operation : operations) {
            assertThatThrownBy(operation::run).hasMessage("vm nemo: no such VM, 'dormouse list' shows those there are");
        }
        assertThatThrownBy(() -> engine.remove("nemo", true))
                .hasMessage("vm nemo: no such VM, 'dormouse list' shows those there are");
        assertThatThrownBy(() -> engine.restoreAs("nemo", "vm2"))
                .hasMessage("image nemo: no such image, 'dormouse image list' shows those there are");
        assertThat(engine.list()).isEmpty();
    }

    @Test
    void aStoppedVmHasNothingToSuspendResumeOrStop() throws Exception {
        fixture.engine.create(VmRequest.named("vm1").withMemory("16M"));

        assertThatThrownBy(() -> fixture.suspend("vm1"))
                .hasMessage("vm vm1: not running, only a running VM can be suspended");
        assertThatThrownBy(() -> fixture.resume("vm1"))
                .hasMessage("vm vm1: not suspended, only a suspended VM can be resumed");
        assertThatThrownBy(() -> fixture.engine.create(VmRequest.named("vm1")))
                .hasMessage("vm vm1: exists already, choose another name or remove it with 'dormouse rm'");
        fixture.engine.remove("vm1", false);
        assertThat(fixture.home.vm("vm1")).doesNotExist();
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource(
            delimiter = '|',
            value = {
                "-incoming defer | -incoming | the restore sets it",
                "-S | -S | the guest would never start",
                "--daemonize | -daemonize | its process could not be followed",
                "-m 1G | -m | use the option of 'dormouse vm create' for it",
                "-mem-path /tmp | -mem-path | memory in files cannot be restored lazily",
                "-object memory-backend-file,id=m,mem-path=/tmp/x,size=1G | memory-backend-file,id=m,mem-path=/tmp/x,size=1G"
                        + " | memory in a regular file is destroyed by a postcopy restore; use --memory-backend",
                "-overcommit mem-lock=on | mem-lock=on"
                        + " | locked memory is faulted in at once, which undoes a lazy restore",
                "-object memory-backend-memfd,id=m,size=1G,share=on,hugetlb=on"
                        + " | memory-backend-memfd,id=m,size=1G,share=on,hugetlb=on | huge pages are not supported yet",
                "-global memory-backend-memfd.hugetlb=on | memory-backend-memfd.hugetlb=on"
                        + " | huge pages are not supported yet",
                "-mem-path /dev/hugepages | -mem-path | memory in files cannot be restored lazily",
                "-device vfio-pci,host=01:00.0 | vfio-pci,host=01:00.0"
                        + " | a device of the host cannot be migrated, so the VM could never be suspended",
            })
    void refusesArgumentsThatWouldBreakTheVm(String arguments, String named, String reason) throws IOException {
        VmRequest request = VmRequest.named("vm1").withExtraArguments(List.of(arguments.split(" ")));

        assertThatThrownBy(() -> fixture.engine.create(request))
                .isInstanceOf(UsageException.class)
                .hasMessage("vm vm1: extra argument '%s' is not allowed: %s".formatted(named, reason));

        assertThat(fixture.engine.list()).isEmpty();
        assertThat(fixture.home.vm("vm1")).doesNotExist();
    }

    @Test
    void refusesADiskThatAnotherVmWrites() throws Exception {
        Path disk = fixture.smallDisk("shared");
        VmRequest request = VmRequest.named("vm1").withDisks(List.of(new DiskRequest(disk.toString(), null, null)));
        fixture.engine.create(request);

        assertThatThrownBy(() -> fixture.engine.create(VmRequest.named("vm2").withDisks(request.disks())))
                .hasMessage(
                        disk + ": belongs to vm vm1 already, give the VM a disk of its own or use it as a golden base");
    }

    @Test
    void refusesADiskOfAnotherVmUnderAnotherName() throws Exception {
        Path disk = fixture.smallDisk("shared");
        Path symbolic = Files.createSymbolicLink(folder.resolve("symbolic"), disk);
        Path hard = Files.createLink(folder.resolve("hard"), disk);
        fixture.engine.create(VmRequest.named("vm1").withDisks(List.of(own(disk))));

        for (Path name : List.of(symbolic, hard)) {
            assertThatThrownBy(
                            () -> fixture.engine.create(VmRequest.named("vm2").withDisks(List.of(own(name)))))
                    .hasMessage(name.toRealPath() + ": belongs to vm vm1 already, give the VM a disk of its own"
                            + " or use it as a golden base");
        }
    }

    /// The next start of its writer would change what lies below the overlay.
    @Test
    void refusesAGoldenBaseThatAVmWrites() throws Exception {
        Path disk = fixture.smallDisk("shared");
        fixture.engine.create(VmRequest.named("vm1").withDisks(List.of(own(disk))));
        var golden = new DiskRequest(null, disk.toString(), null);

        assertThatThrownBy(() -> fixture.engine.create(VmRequest.named("vm2").withDisks(List.of(golden))))
                .hasMessage(disk + ": vm vm1 writes it, give the VM a copy");
        assertThat(fixture.home.vm("vm2")).doesNotExist();
    }

    @Test
    void refusesOneDiskTwiceInAVm() throws Exception {
        Path disk = fixture.smallDisk("twice");

        assertThatThrownBy(() -> fixture.engine.create(VmRequest.named("vm1").withDisks(List.of(own(disk), own(disk)))))
                .hasMessage(disk + ": another disk of vm vm1 writes it, give the VM a copy");
    }

    private static DiskRequest own(Path disk) {
        return new DiskRequest(disk.toString(), null, null);
    }

    @Test
    void refusesASizeThatNoNumberHolds() {
        assertThatThrownBy(() -> MemorySize.parse("size", "8388608T"))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("size is '8388608T', less than 8388608T is allowed");
        assertThat(MemorySize.parse("size", "8388607T")).isEqualTo(8388607L << 40);
    }

    /// One image that nobody can read must not keep the others from their work; what it needs is not known.
    @Test
    void anUnreadableImagePinsEveryLayerButStopsNobody() throws Exception {
        Files.write(fixture.home.image("broken"), new byte[100]);
        Path disk = fixture.smallDisk("disk");
        fixture.engine.create(VmRequest.named("vm1")
                .withMemory("16M")
                .withDisks(List.of(new DiskRequest(null, disk.toString(), null))));
        fixture.engine.start("vm1", false);
        fixture.suspend("vm1");

        fixture.resume("vm1");

        assertThat(fixture.state("vm1")).isEqualTo("running");
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw", "disk0.qcow2", "disk0-1.qcow2");
        fixture.engine.stop("vm1", true, Duration.ZERO, OperationListener.NONE);
        assertThatThrownBy(() -> fixture.engine.remove("vm1", false))
                .hasMessage(
                        "vm vm1: its disk layer %s is needed by image broken (it cannot be read, so it may need any layer), "
                                        .formatted(fixture.home.vm("vm1").resolve("disks/disk0.qcow2"))
                                + "remove that first");
        fixture.engine.images().remove("broken");
        fixture.engine.remove("vm1", false);
    }
}
