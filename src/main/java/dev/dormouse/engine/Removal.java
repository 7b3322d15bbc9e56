package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/// Removes a VM: its files, its overlays, and the image that holds its suspended memory; with them, where that
/// is wanted, all images of it. Disks that the user gave it stay.
final class Removal {
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private boolean damaged;

    Removal(Home home, QemuTools tools, Vm vm) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
    }

    /// @param images whether all images of it are to go
    /// @throws VmException if somebody else needs one of its layers, or one of the images; nothing is removed then
    RemovalReport run(VmRecord record, boolean images) throws IOException {
        List<String> own;
        VmIndexing.awaitEnd(vm); // It writes into the folder that is to go.
        // Nobody may begin to need its image or its layers after it was found that nobody does.
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            own = ownImages();
            remove(record, own, images);
        }
        deleteFolder(home.storage(), home.runtime().resolve(vm.name()));
        new Indexes(home, tools).removeOfGone(vm.folder());
        return new RemovalReport(
                own.stream().filter(id -> !Files.exists(home.image(id))).toList(),
                own.stream().filter(id -> Files.exists(home.image(id))).toList());
    }

    /// As [#run], of a VM whose state is damaged. Its image cannot be told from its checkpoints, so that it goes only
    /// with them.
    ///
    /// @throws VmException also if a process uses its files, which may be its QEMU
    RemovalReport runDamaged(boolean images) throws IOException {
        damaged = true;
        Rehearsal.clean(home, vm);
        Optional<QemuProcess> qemu = Standby.ofPidFile(vm.sockets());
        if (qemu.isPresent()) {
            throw new VmException("vm %s: its QEMU, process %d, still runs; end that first"
                    .formatted(vm.name(), qemu.get().pid()));
        }
        if (OpenFiles.now().containsAnyIn(vm.folder(), vm.folder().resolve("lock"))) {
            throw new VmException("vm %s: a process has files in %s open, which may be its QEMU; end that first"
                    .formatted(vm.name(), vm.folder()));
        }
        var record = new VmRecord(VmState.STOPPED, overlays(), null, List.of(), null, 0, Vm.now());
        return run(record, images);
    }

    /// {@return whatever may be a layer in its folder}
    private List<BackingChain> overlays() throws IOException {
        Path disks = home.disks(vm.name());
        if (!Files.isDirectory(disks)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(disks)) {
            return files.sorted()
                    .map(file -> new BackingChain(List.of(new Layer(file.toString(), Layer.Format.QCOW2))))
                    .toList();
        }
    }

    private List<String> ownImages() throws IOException {
        return home.imageIds().stream()
                .filter(id -> Clone.isOwn(home, id, vm.name()))
                .toList();
    }

    private void remove(VmRecord record, List<String> own, boolean withImages) throws IOException {
        String image = record.image();
        List<String> images = withImages ? own : List.of();
        var going = new HashSet<>(images);
        if (image != null) {
            going.add(image);
        }
        for (BackingChain chain : record.chains()) {
            for (Layer layer : chain.layers()) {
                refuseIfPinned(layer, going, own);
            }
        }
        for (String id : images) {
            refuseIfUsed(id);
        }
        for (String id : images) {
            if (!id.equals(image)) { // That one only when there is no VM any more that would be resumed from it.
                home.storage().deleteIfExists(home.image(id));
            }
        }
        if (!images.isEmpty()) {
            home.storage().forceDirectory(home.images());
        }
        boolean drop = image != null
                && new Images(home).users(image).equals(List.of(vm.name()))
                && Clone.isOwn(home, image, vm.name());
        home.storage().deleteIfExists(vm.folder().resolve("state.json"));
        // From here on the VM does not exist, and must not be found again without its image and its disks.
        home.storage().forceDirectory(vm.folder());
        if (image != null && drop) {
            new Completion(home, tools, vm).dropImage(image);
        }
        deleteFolder(home.storage(), vm.folder());
        home.storage().forceDirectory(home.vms());
    }

    private void refuseIfUsed(String image) throws IOException {
        List<String> others = new Images(home)
                .users(image).stream().filter(user -> !user.equals(vm.name())).toList();
        if (!others.isEmpty()) {
            throw new VmException("vm %s: its image %s holds the memory of vm %s, resume or remove that first"
                    .formatted(vm.name(), image, String.join(", ", others)));
        }
    }

    private void refuseIfPinned(Layer layer, Set<String> goingImages, List<String> own) throws IOException {
        if (!Path.of(layer.path()).startsWith(vm.folder())) {
            return; // Not ours to delete anyway.
        }
        Optional<String> owner = new Layers(home).pinnedBy(layer, vm.name(), goingImages);
        if (owner.isPresent()) {
            boolean isOwn = own.stream().anyMatch(id -> owner.get().equals("image " + id));
            throw new VmException("vm %s: its disk layer %s is needed by %s, remove that first%s"
                    .formatted(
                            vm.name(),
                            layer.path(),
                            owner.get(),
                            isOwn
                                    ? "; 'dormouse rm %s--images %s' removes its images, too"
                                            .formatted(damaged ? "--force " : "", vm.name())
                                    : ""));
        }
    }

    static void deleteFolder(Storage storage, Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : (Iterable<Path>) files.sorted(Comparator.reverseOrder())::iterator) {
                storage.deleteIfExists(file);
            }
        }
    }
}
