package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.index.IndexListener;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.qmp.QmpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Boots a VM, or prepares a crashed one to go back to its image.
final class Start {
    /// Behind the name of an overlay that is kept aside; a time follows.
    static final String ASIDE = ".aside-";

    private final Home home;
    private final QemuTools tools;
    private final Vm vm;

    Start(Home home, QemuTools tools, Vm vm) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
    }

    void run(boolean discardState) throws IOException {
        VmRecord record = bootable(vm.record(), discardState);
        try {
            if (record.state() == VmState.SUSPENDED) {
                discardAndBoot(record);
            } else {
                boot(record);
            }
        } catch (IOException e) {
            throw new VmException(
                    "vm %s: start failed: %s".formatted(vm.name(), ErrorText.of(e, "vm " + vm.name())), e);
        }
    }

    private void boot(VmRecord record) throws IOException {
        QemuStarter starter = new QemuStarter(tools, vm);
        List<LayerIdentity> indexed = LayerIndexes.indexed(home, tools, record.chains());
        QemuProcess qemu = starter.start(vm.config(), record.chains(), false);
        ProcessRef reference = ProcessRef.of(qemu);
        vm.enter(VmState.RUNNING, record.withQemu(reference));
        try (QmpClient qmp = starter.connect(qemu)) { // It answers: the guest boots.
            new LayerIndexes(home, tools, vm, qmp, reference, IndexListener.NONE).track(record.chains(), indexed);
        } catch (IOException e) {
            qemu.terminate(Duration.ofSeconds(5));
            vm.enter(VmState.STOPPED, record.withQemu(null));
            throw e;
        }
    }

    /// The memory is given up only when QEMU has the disks, and the guest, which writes them, runs only when that is
    /// recorded: until then the VM can be resumed.
    private void discardAndBoot(VmRecord suspended) throws IOException {
        refuseIfALayerIsMissing(suspended);
        QemuStarter starter = new QemuStarter(tools, vm);
        List<LayerIdentity> indexed = LayerIndexes.indexed(home, tools, suspended.chains());
        QemuProcess qemu = starter.startPaused(vm.config(), suspended.chains());
        ProcessRef reference = ProcessRef.of(qemu);
        boolean mayHaveRun = false;
        try (QmpClient qmp = starter.connect(qemu)) {
            new LayerIndexes(home, tools, vm, qmp, reference, IndexListener.NONE).track(suspended.chains(), indexed);
            // That it names the image says what is still to be done.
            vm.enter(VmState.RUNNING, suspended.withQemu(reference));
            mayHaveRun = true;
            qmp.execute("cont");
        } catch (IOException e) {
            qemu.terminate(Duration.ofSeconds(5));
            if (!mayHaveRun || e instanceof QmpException) { // The latter is an answer: it did not.
                vm.enter(VmState.SUSPENDED, suspended);
            }
            throw e; // Else the record has it settled: the memory does not fit to these disks any more.
        }
        dropState();
    }

    private static void refuseIfALayerIsMissing(VmRecord record) throws DiskException {
        for (BackingChain chain : record.chains()) {
            for (Layer layer : chain.layers()) {
                if (!Files.exists(Path.of(layer.path()))) {
                    throw new DiskException(layer.path() + ": disk layer is missing, put it back where it was");
                }
            }
        }
    }

    /// Ends a boot without the memory that was cut off once it had been recorded.
    ///
    /// @param qemu that of the VM, if it still lives
    void endDiscard(Optional<QemuProcess> qemu) throws IOException {
        if (qemu.isPresent()) {
            try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu.get())) {
                qmp.execute("cont");
            }
        }
        dropState();
    }

    private void dropState() throws IOException {
        VmRecord record = vm.record();
        new CopiesFile(vm).delete();
        if (record.image() != null) {
            dropUnlessNeeded(record.image());
        }
        Overlays.deleteUnused(home.storage(), record.overlays(), record.chains());
        vm.save(record.withImage(null, List.of()));
    }

    private VmRecord bootable(VmRecord record, boolean discardState) throws IOException {
        return switch (record.state()) {
            case STOPPED -> record;
            case CRASHED -> bootNewestFiles(record);
            case SUSPENDED -> {
                if (!discardState) {
                    throw new VmException(
                            "vm %s: is suspended, 'dormouse resume %s' wakes it, 'dormouse start --discard-state %s' boots it and loses its memory"
                                    .formatted(vm.name(), vm.name(), vm.name()));
                }
                yield record;
            }
            case RUNNING -> throw new VmException("vm %s: is already running".formatted(vm.name()));
            default ->
                throw new VmException("vm %s: is %s, 'dormouse show %s' says more"
                        .formatted(vm.name(), new Statuses(home).of(vm.name()).state(), vm.name()));
        };
    }

    /// The image stays, as a checkpoint that somebody may still want; so the layers below stay, too.
    private VmRecord bootNewestFiles(VmRecord record) throws IOException {
        new CopiesFile(vm).delete();
        VmRecord newest = record.withChains(record.chainsWithOverlays()).withImage(null, List.of());
        return vm.enter(VmState.STOPPED, newest);
    }

    private void dropUnlessNeeded(String image) throws IOException {
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            if (new Images(home).users(image).equals(List.of(vm.name())) && Clone.isOwn(home, image, vm.name())) {
                new Completion(home, tools, vm).dropImage(image);
            }
        }
    }

    /// Of a crashed VM: keeps what was written since the image under another name and makes it suspended.
    void setChangesAside(OperationListener listener) throws IOException {
        VmRecord record = vm.record();
        if (record.state() != VmState.CRASHED) {
            throw new VmException("vm %s: is not crashed, there are no changes to discard".formatted(vm.name()));
        }
        List<Layer> fresh = Overlays.create(tools.images(), vm, vm.config(), record);
        List<Path> aside = moveAside(record.overlays());
        vm.enter(VmState.SUSPENDED, record.withImage(record.image(), fresh).withGeneration(record.generation() + 1));
        aside.forEach(file -> listener.step("what was written until %s is kept as %s".formatted(record.since(), file)));
    }

    /// Before the record names other overlays: an overlay that no record names is garbage. Whoever is cut off in
    /// between leaves a crashed VM without overlays, which [Settle] puts back.
    private List<Path> moveAside(List<Layer> overlays) throws IOException {
        String suffix = ASIDE + Vm.now().replaceAll("[^0-9]", "");
        var moved = new ArrayList<Path>();
        for (Layer overlay : overlays) {
            Path file = Path.of(overlay.path());
            if (Files.exists(file)) {
                Path aside = file.resolveSibling(file.getFileName() + suffix);
                home.storage().moveAtomically(file, aside);
                moved.add(aside);
            }
        }
        home.storage().forceDirectory(vm.disks());
        return moved;
    }
}
