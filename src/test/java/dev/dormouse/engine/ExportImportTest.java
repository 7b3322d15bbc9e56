package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.image.ImageReader;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The ways out and in: what we export QEMU restores without us, what QEMU saved without us we resume.
@Tag("qemu")
class ExportImportTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final long PATTERN_BYTES = 64 << 20;

    @TempDir
    Path folder;

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void stockQemuRestoresAnExportWithTheCommandsThatArePrinted(String version) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            bootWithPattern(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            ExportResult export = fixture.engine.exportStream(
                    image, folder.resolve("it's a stream"), OperationListener.NONE, new Cancellation());
            assertThat(Path.of(export.file())).hasSize(export.bytes());

            QemuProcess qemu = restore(export);
            try {
                Path sockets = fixture.home.runtime().resolve("export-" + export.image());
                resumeByHand(sockets.resolve("qmp"), qemu);
                try (GuestProbe probe = GuestProbe.connect(sockets.resolve("rate"), sockets.resolve("control"), LONG)) {
                    verify(probe);
                    probe.write("later", 9, 128, LONG);
                }
            } finally {
                qemu.kill();
            }
            // It wrote to overlays of its own: the image is as good as before.
            fixture.resume("vm1");
            try (GuestProbe probe = fixture.probe("vm1")) {
                verify(probe);
                assertThatThrownBy(() -> probe.check("later", 9, 128, LONG)).hasMessageContaining("later");
            }
        }
    }

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void whatStockQemuSavedIsImportedAndResumed(String version) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            bootWithPattern(fixture);
            Path stream = folder.resolve("saved");
            // Saved while it runs and by the newer means, too.
            boolean older = version.equals("7.2");
            saveAndQuit(fixture, older, (older ? "exec:cat > " : "file:") + stream);

            ImportResult imported =
                    fixture.engine.importStream(stream, "vm1", OperationListener.NONE, new Cancellation());

            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            assertThat(imported.streamBytes()).isEqualTo(Files.size(stream));
            assertThat(imported.nonZeroBytes()).isGreaterThan(PATTERN_BYTES);
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");
            ResumeResult resumed = fixture.resume("vm1");
            assertThat(resumed.runningMillis()).as("lazily").isLessThan(resumed.completeMillis());
            try (GuestProbe probe = fixture.probe("vm1")) {
                verify(probe);
            }
            assertThat(fixture.home.imageIds()).isEmpty();
            assertThat(fixture.leftovers()).isEmpty();
        }
    }

    @Test
    void theFlatFileIsTheMemoryThatQemuSees() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            bootWithPattern(fixture);
            Path seen = folder.resolve("seen");
            try (QmpClient qmp = QmpClient.connect(fixture.vm("vm1").sockets().qmp(), LONG)) {
                qmp.execute("stop");
                long bytes = fixture.engine.status("vm1").memoryBytes();
                qmp.execute("pmemsave", Map.of("val", 0, "size", bytes, "filename", seen.toString()), LONG);
            }
            Path image = fixture.home.image(fixture.suspend("vm1").image());

            ExportResult export = fixture.engine.exportRaw(
                    image, null, folder.resolve("flat"), OperationListener.NONE, new Cancellation());

            assertThat(export.block()).isEqualTo("pc.ram");
            assertSameAboveTheFirstMebibyte(seen, Path.of(export.file()));
            long allocated = 512L * (long) blocks(Path.of(export.file()));
            assertThat(allocated).isLessThan(export.bytes());
        }
    }

    /// Below 1 MiB a guest sees ROMs and the VGA window where its memory is hidden.
    private static void assertSameAboveTheFirstMebibyte(Path seen, Path flat) throws IOException {
        assertThat(Files.size(flat)).isEqualTo(Files.size(seen));
        byte[] one = Files.readAllBytes(seen);
        byte[] other = Files.readAllBytes(flat);
        assertThat(Arrays.mismatch(one, 1 << 20, one.length, other, 1 << 20, other.length))
                .isEqualTo(-1);
        assertThat(Arrays.mismatch(one, 0, 640 << 10, other, 0, 640 << 10)).isEqualTo(-1);
    }

    private static int blocks(Path file) throws IOException {
        return Integer.parseInt(
                Command.run(List.of("stat", "-c", "%b", file.toString()), LONG).strip());
    }

    @Test
    void refusesAStreamThatDoesNotFitTheVm() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            Path stream = exportOf(fixture, "vm1");
            fixture.engine.create(VmRequest.named("larger").withMemory("32M"));
            fixture.engine.create(VmRequest.named("other").withMemory("16M").withMachine("pc-q35-6.0"));

            assertThatThrownBy(() -> importStream(fixture, stream, "larger"))
                    .hasMessageStartingWith(stream + ": has no RAM block pc.ram of 33554432 bytes as vm larger has, but"
                            + " [pc.ram of 16777216, ");
            assertThatThrownBy(() -> importStream(fixture, stream, "other"))
                    .hasMessage(stream + ": is of a machine pc-q35-7.2, vm other is pc-q35-6.0; create one with"
                            + " '--machine pc-q35-7.2'");
            assertThatThrownBy(() -> importStream(fixture, stream, "vm1"))
                    .hasMessage("vm vm1: is suspended, only a stopped VM can take a saved stream");
            Path cut = folder.resolve("cut");
            Files.write(cut, Arrays.copyOf(Files.readAllBytes(stream), (int) Files.size(stream) - 1));
            fixture.engine.create(VmRequest.named("same").withMemory("16M"));
            assertThatThrownBy(() -> importStream(fixture, cut, "same"))
                    .hasMessageMatching(".*" + cut + ": byte \\d+, .*");
            assertThat(fixture.state("same")).isEqualTo("stopped");
            assertThat(fixture.home.imageIds()).hasSize(1);
            assertThat(fixture.leftovers()).isEmpty();
        }
    }

    /// The QEMU that saved the stream may still be there, and may go on.
    @Test
    void refusesDisksThatSomebodyHasOpen() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            Path disk = fixture.smallDisk("disk");
            List<DiskRequest> disks = List.of(new DiskRequest(disk.toString(), null, null));
            fixture.engine.create(GuestVm.withoutSandbox(
                    VmRequest.named("vm1").withMemory("16M").withDisks(disks)));
            fixture.engine.start("vm1", false);
            Path stream = folder.resolve("saved");
            saveAndQuit(fixture, true, "exec:cat > " + stream);
            try (var holder = QemuHolder.of(fixture, disk)) {
                assertThat(holder.qemu().isAlive()).isTrue();
                assertThatThrownBy(() -> importStream(fixture, stream, "vm1"))
                        .hasMessage(disk + ": disk layer is open for writing by another program, end that first");
            }
            assertThat(fixture.state("vm1")).isEqualTo("stopped");
            assertThat(fixture.diskFiles("vm1")).isEmpty();
            assertThat(fixture.home.imageIds()).isEmpty();

            importStream(fixture, stream, "vm1");
            fixture.resume("vm1");
            assertThat(fixture.state("vm1")).isEqualTo("running");
        }
    }

    @Test
    void nothingIsLeftOfWhatWasCancelled() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            Path stream = exportOf(fixture, "vm1");
            Path image = fixture.home.image(String.valueOf(fixture.record("vm1").image()));
            fixture.engine.create(VmRequest.named("vm2").withMemory("16M"));
            var cancelled = new Cancellation();
            cancelled.cancel();
            List<String> before = EngineFixture.fileNames(folder);

            Path target = folder.resolve("new");
            assertThatThrownBy(() -> fixture.engine.exportStream(image, target, OperationListener.NONE, cancelled))
                    .hasMessage(target + ": cancelled, nothing is left of it");
            assertThatThrownBy(() -> fixture.engine.exportRaw(image, null, target, OperationListener.NONE, cancelled))
                    .hasMessage(target + ": cancelled, nothing is left of it");
            assertThatThrownBy(() -> fixture.engine.importStream(stream, "vm2", OperationListener.NONE, cancelled))
                    .hasMessage("vm vm2: cancelled, it stays stopped");

            assertThat(EngineFixture.fileNames(folder)).isEqualTo(before);
            assertThat(fixture.state("vm2")).isEqualTo("stopped");
            assertThat(fixture.leftovers()).isEmpty();
        }
    }

    @Test
    void whatWasExportedIsImportedAgain() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            Path stream = exportOf(fixture, "vm1");
            fixture.engine.create(VmRequest.named("vm2").withMemory("16M"));

            String image = importStream(fixture, stream, "vm2").image();

            try (ImageReader one = ImageReader.open(fixture.home.image(
                            String.valueOf(fixture.record("vm1").image())));
                    ImageReader two = ImageReader.open(fixture.home.image(image))) {
                assertThat(two.ramBlocks()).isEqualTo(one.ramBlocks());
                assertThat(two.deviceState()).isEqualTo(one.deviceState());
                for (long frame = 0; frame < one.frameCount(); frame++) {
                    assertThat(two.checksum(frame)).isEqualTo(one.checksum(frame));
                }
            }
            fixture.resume("vm2");
            assertThat(fixture.state("vm2")).isEqualTo("running");
        }
    }

    @Test
    void doesNotOverwriteAndDoesNotExportOntoChangedDisks() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            Path disk = fixture.smallDisk("disk");
            List<DiskRequest> disks = List.of(new DiskRequest(disk.toString(), null, null));
            fixture.engine.create(GuestVm.withoutSandbox(
                    VmRequest.named("vm1").withMemory("16M").withDisks(disks)));
            fixture.engine.start("vm1", false);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            Path there = Files.writeString(folder.resolve("there"), "mine");

            assertThatThrownBy(
                            () -> fixture.engine.exportStream(image, there, OperationListener.NONE, new Cancellation()))
                    .hasMessage(there + ": exists already, choose another name or remove it");
            assertThat(there).hasContent("mine");
            try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
                file.write(1);
            }
            assertThatThrownBy(() -> fixture.engine.exportStream(
                            image, folder.resolve("new"), OperationListener.NONE, new Cancellation()))
                    .hasMessageStartingWith(disk + ": disk layer changed since the checkpoint, ");
            assertThat(folder.resolve("new")).doesNotExist();
            fixture.engine.exportRaw(
                    image, "pc.bios", folder.resolve("bios"), OperationListener.NONE, new Cancellation());
            assertThatThrownBy(() -> fixture.engine.exportRaw(
                            image, "x", folder.resolve("x"), OperationListener.NONE, new Cancellation()))
                    .hasMessageStartingWith(image + ": has no RAM block 'x', it has [pc.ram, ");
        }
    }

    private static void bootWithPattern(EngineFixture fixture) throws Exception {
        fixture.boot(GuestVm.withoutSandbox(fixture.request("vm1")));
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.fill("a", 42, 64, 50, LONG);
            probe.write("one", 7, 512, LONG);
        }
    }

    private static void verify(GuestProbe probe) throws Exception {
        assertThat(probe.verify("a", LONG)).isEqualTo(PATTERN_BYTES);
        probe.check("one", 7, 512, LONG);
    }

    private static ImportResult importStream(EngineFixture fixture, Path stream, String vm) throws IOException {
        return fixture.engine.importStream(stream, vm, OperationListener.NONE, new Cancellation());
    }

    /// {@return the exported stream of a VM of 16 MiB without a guest, which is suspended}
    private Path exportOf(EngineFixture fixture, String name) throws IOException {
        fixture.engine.create(VmRequest.named(name).withMemory("16M"));
        fixture.engine.start(name, false);
        Path image = fixture.home.image(fixture.suspend(name).image());
        return Path.of(fixture.engine
                .exportStream(image, folder.resolve(name + ".stream"), OperationListener.NONE, new Cancellation())
                .file());
    }

    private QemuProcess restore(ExportResult export) throws IOException {
        List<List<String>> commands = export.commands();
        for (List<String> command : commands.subList(0, commands.size() - 1)) {
            Command.run(command, LONG);
        }
        return QemuProcess.start(new QemuProcess.Spec(commands.getLast(), folder.resolve("stock.log")));
    }

    private static void resumeByHand(Path socket, QemuProcess qemu) throws IOException {
        try (QmpClient qmp = QmpClient.connect(socket, LONG, qemu)) {
            new Migrations(qmp).awaitIncomingClean(LONG);
            assertThat(qmp.execute("query-status")).containsEntry("status", "paused");
            qmp.execute("cont");
        }
    }

    /// As a script of somebody else would do it.
    private static void saveAndQuit(EngineFixture fixture, boolean stopFirst, String uri) throws IOException {
        QemuProcess qemu = fixture.process("vm1");
        try (QmpClient qmp = QmpClient.connect(fixture.vm("vm1").sockets().qmp(), LONG, qemu)) {
            var migrations = new Migrations(qmp);
            migrations.setParameters(Map.of("max-bandwidth", 0));
            if (stopFirst) {
                qmp.execute("stop");
            }
            migrations.startOutgoing(uri);
            migrations.awaitCompleted(LONG);
            qmp.execute("quit");
        }
        assertThat(qemu.awaitExit(LONG)).isTrue();
    }

    /// A QEMU that has a disk open for writing.
    private record QemuHolder(QemuProcess qemu) implements AutoCloseable {
        static QemuHolder of(EngineFixture fixture, Path disk) throws IOException {
            Path socket = fixture.home.runtime().resolve("holder");
            var argv = List.of(
                    fixture.engine.tools().qemu().path().toString(),
                    "-nodefaults",
                    "-display",
                    "none",
                    "-S",
                    "-machine",
                    "q35,accel=tcg",
                    "-blockdev",
                    "driver=raw,node-name=d,file.driver=file,file.filename=" + disk,
                    "-device",
                    "virtio-blk-pci,drive=d",
                    "-qmp",
                    "unix:" + socket + ",server=on,wait=off");
            var holder =
                    new QemuHolder(QemuProcess.start(new QemuProcess.Spec(argv, disk.resolveSibling("holder.log"))));
            QmpClient.connect(socket, LONG, holder.qemu()).close();
            return holder;
        }

        @Override
        public void close() throws IOException {
            qemu.kill();
        }
    }
}
