package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// Removes a VM: its files, its overlays, and the image that holds its suspended memory. Disks that the
/// user gave it stay.
final class Removal {
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;

    Removal(Home home, QemuTools tools, Vm vm) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
    }

    /// @throws VmException if somebody else needs one of its layers
    void run(VmRecord record) throws IOException {
        // Nobody may begin to need its image or its layers after it was found that nobody does.
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            remove(record);
        }
        deleteFolder(home.storage(), home.runtime().resolve(vm.name()));
    }

    private void remove(VmRecord record) throws IOException {
        for (BackingChain chain : record.chains()) {
            for (Layer layer : chain.layers()) {
                refuseIfPinned(layer, record.image());
            }
        }
        String image = record.image();
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

    private void refuseIfPinned(Layer layer, @org.jspecify.annotations.Nullable String ownImage) throws IOException {
        if (!Path.of(layer.path()).startsWith(vm.folder())) {
            return; // Not ours to delete anyway.
        }
        Optional<String> owner = new Layers(home).pinnedBy(layer, vm.name(), ownImage);
        if (owner.isPresent()) {
            throw new VmException("vm %s: its disk layer %s is needed by %s, remove that first"
                    .formatted(vm.name(), layer.path(), owner.get()));
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
