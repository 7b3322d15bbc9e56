package dev.dormouse.engine;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.disk.DiskTools;
import dev.dormouse.disk.ForeignDisks;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.storage.Storage;
import dev.dormouse.testkit.Leftovers;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Assumptions;

/// An engine in a home of its own, with the project's guest. Whatever QEMU is left is ended on close.
final class EngineFixture implements AutoCloseable {
    static final Duration LONG = Duration.ofMinutes(2);
    private static final long SMALL_DISK_BYTES = 64 << 20;
    final Path folder;
    final Home home;
    final Engine engine;
    final GuestImage guest;

    EngineFixture(Path folder) throws IOException, InterruptedException {
        this(folder, null);
    }

    EngineFixture(Path folder, @Nullable Path qemu) throws IOException, InterruptedException {
        this(folder, qemu, Storage.fileSystem());
    }

    EngineFixture(Path folder, @Nullable Path qemu, Storage storage) throws IOException, InterruptedException {
        this.folder = folder;
        home = Home.at(folder.resolve("home"), null, storage);
        engine = new Engine(home, QemuTools.locate(qemu));
        guest = GuestImage.locate();
    }

    /// {@return QEMU 10.0 if it was unpacked beside the system's}
    static Optional<Path> qemu10() {
        String folder = System.getProperty("dormouse.qemu10", "");
        return folder.isEmpty() ? Optional.empty() : Optional.of(Path.of(folder, "bin", "qemu-system-x86_64"));
    }

    /// {@return the QEMU of this version, null for the system's; skips the test where it is not there}
    static @Nullable Path qemu(String version) {
        if (version.equals("7.2")) {
            return null;
        }
        Assumptions.assumeTrue(qemu10().isPresent(), "QEMU 10.0 is not unpacked, see scripts/qemu10.sh");
        return qemu10().orElseThrow();
    }

    /// The same home, used with another QEMU.
    Engine engineWith(@Nullable Path qemu) throws IOException {
        return new Engine(home, QemuTools.locate(qemu));
    }

    /// {@return a request for a VM with a small raw disk of its own}
    VmRequest request(String name) throws IOException {
        return GuestVm.request(guest, name, "384M")
                .withDisks(List.of(new DiskRequest(smallDisk(name).toString(), null, null)));
    }

    /// Starts a VM that has no guest, which is quick, with an empty disk.
    ///
    /// @return the disk
    Path startWithoutGuest(String name) throws IOException {
        return startWithoutGuest(name, 1 << 20);
    }

    Path startWithoutGuest(String name, long diskBytes) throws IOException {
        Path disk = folder.resolve("disk.raw");
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(diskBytes);
        }
        engine.create(VmRequest.named(name)
                .withMemory("16M")
                .withDisks(List.of(new DiskRequest(disk.toString(), null, null))));
        engine.start(name, false);
        return disk;
    }

    /// {@return a raw disk with an empty file system, which is quick to make and to copy}
    Path smallDisk(String name) throws IOException {
        Path file = folder.resolve(name + ".raw");
        try (var disk = new RandomAccessFile(file.toFile(), "rw")) {
            disk.setLength(SMALL_DISK_BYTES);
        }
        Command.run(List.of("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", file.toString()), LONG);
        return file;
    }

    /// {@return as [#smallDisk], with one file in it}
    Path diskWith(String name, String file, byte[] content) throws IOException {
        return diskWith(name, Map.of(file, content));
    }

    /// @param files contents by paths
    Path diskWith(String name, Map<String, byte[]> files) throws IOException {
        Path source = Files.createDirectory(folder.resolve(name + ".files"));
        for (var file : files.entrySet()) {
            Path path = source.resolve(file.getKey());
            Files.createDirectories(path.getParent());
            Files.write(path, file.getValue());
        }
        Path disk = smallDisk(name);
        Command.run(
                List.of("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-d", source.toString(), disk.toString()),
                LONG);
        return disk;
    }

    Path asQcow2(Path raw) throws IOException {
        return converted(raw, Layer.Format.QCOW2, "");
    }

    Path converted(Path raw, Layer.Format format, String options) throws IOException {
        return ForeignDisks.make(new DiskTools(engine.tools().qemu().imageTool()), raw, format, options);
    }

    /// Creates and starts a VM and waits until its guest answers.
    void boot(VmRequest request) throws IOException, InterruptedException {
        engine.create(request);
        start(request.name());
    }

    void start(String name) throws IOException, InterruptedException {
        engine.start(name, false);
        try (GuestProbe probe = probe(name)) {
            probe.ping("boot", LONG);
        }
    }

    GuestProbe probe(String name) throws IOException {
        return GuestVm.connect(home, name, LONG);
    }

    SuspendResult suspend(String name) throws IOException {
        return engine.suspend(name, OperationListener.NONE, new Cancellation());
    }

    SuspendResult checkpoint(String name) throws IOException {
        return engine.checkpoint(name, OperationListener.NONE, new Cancellation());
    }

    ResumeResult resume(String name) throws IOException {
        return engine.resume(name, ResumeOptions.DEFAULT, OperationListener.NONE);
    }

    String state(String name) throws IOException {
        return engine.status(name).state();
    }

    VmRecord record(String name) throws IOException {
        return vm(name).record();
    }

    Vm vm(String name) throws IOException {
        return Vm.open(home, name);
    }

    QemuProcess process(String name) throws IOException {
        Vm vm = vm(name);
        return vm.qemu(vm.record()).orElseThrow(() -> new IllegalStateException("no QEMU of " + name));
    }

    /// {@return the layers of the VM's only disk, by file name, bottom first}
    List<String> layers(String name) throws IOException {
        return record(name).chains().getFirst().layers().stream()
                .map(layer -> Path.of(layer.path()).getFileName().toString())
                .toList();
    }

    /// Has a running VM with one disk run on as many layers as there may be.
    void makeLayers(String name) throws IOException {
        Vm vm = vm(name);
        VmRecord record = vm.record();
        process(name).kill();
        vm.enter(VmState.STOPPED, record.withQemu(null));
        var chain = record.chains().getFirst();
        for (int i = 1; i < Suspend.LAYERS_MAX; i++) {
            VmRecord below = record.withChains(List.of(chain)).withGeneration(i);
            chain = chain.with(Overlays.create(engine.tools().images(), vm, vm.config(), below)
                    .getFirst());
        }
        vm.save(vm.record().withChains(List.of(chain)).withGeneration(Suspend.LAYERS_MAX));
        engine.start(name, false);
    }

    /// {@return the files in the VM's own folder of disks, by name}
    List<String> diskFiles(String name) throws IOException {
        return fileNames(home.vm(name).resolve("disks"));
    }

    static List<String> fileNames(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    /// {@return files written aside and forgotten, anywhere under the home}
    List<String> leftovers() throws IOException {
        try (Stream<Path> files = Files.walk(home.root())) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".tmp") || name.endsWith(".new"))
                    .toList();
        }
    }

    /// Ends what is left, whatever the records say: a test that failed may have left anything.
    @Override
    public void close() throws IOException {
        try {
            for (String name : home.vmNames()) {
                Vm vm = Vm.open(home, name);
                var qemu = vm.qemu(vm.record());
                if (qemu.isPresent()) {
                    qemu.get().kill();
                }
            }
        } finally {
            endLeftovers();
            Removal.deleteFolder(Storage.fileSystem(), home.runtime());
        }
    }

    private void endLeftovers() throws IOException {
        try {
            Leftovers.end(folder, Duration.ZERO);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while left-over processes were ended", e);
        }
    }
}
