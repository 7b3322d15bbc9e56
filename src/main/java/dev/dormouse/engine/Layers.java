package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;

/// Who needs which layer. A layer is pinned while an image, or a VM other than its owner, refers to it; a
/// pinned layer is never written and never deleted.
final class Layers {
    private final Home home;

    Layers(Home home) {
        this.home = home;
    }

    /// {@return who, beside the VM itself, needs the layer; empty if nobody does}
    Optional<String> pinnedBy(Layer layer, String vmName) throws IOException {
        return pinnedBy(layer, vmName, Set.of());
    }

    /// As [#pinnedBy(Layer, String)], with images left out that are about to go.
    Optional<String> pinnedBy(Layer layer, String vmName, Set<String> goingImages) throws IOException {
        for (String id : home.imageIds()) {
            Optional<String> need = goingImages.contains(id) ? Optional.empty() : need(id, layer);
            if (need.isPresent()) {
                return need;
            }
        }
        for (String name : home.vmNames()) {
            Optional<String> need = name.equals(vmName)
                    ? Optional.empty()
                    : ofVm(name, layer, "need", chains -> contains(chains, layer));
            if (need.isPresent()) {
                return need;
            }
        }
        return Optional.empty();
    }

    /// {@return the VM that writes the layer when it runs; empty if none does}
    Optional<String> writtenBy(Layer layer) throws IOException {
        for (String name : home.vmNames()) {
            Optional<String> writer =
                    ofVm(name, layer, "write", chains -> chains.stream().anyMatch(chain -> isSame(chain.top(), layer)));
            if (writer.isPresent()) {
                return writer;
            }
        }
        return Optional.empty();
    }

    /// {@return the VM, as it is told, if the layer is of its disks in that way, or may be; empty if not}
    ///
    /// @param may what one whose state cannot be read may do to the layer
    private Optional<String> ofVm(String name, Layer layer, String may, Predicate<List<BackingChain>> isOf)
            throws IOException {
        try {
            return isOf.test(Vm.open(home, name).record().chains()) ? Optional.of("vm " + name) : Optional.empty();
        } catch (NotFoundException _) {
            return Optional.empty(); // Removed meanwhile.
        } catch (IOException _) {
            return new UnreadableVm(home, Vm.open(home, name)).mayNeed(layer)
                    ? Optional.of("vm %s (its state cannot be read, so it may %s it)".formatted(name, may))
                    : Optional.empty();
        }
    }

    /// {@return whether the top layer of the disk may be merged into the one below it}
    boolean isMergeable(VmConfig.Disk disk, BackingChain chain, String vmName) throws IOException {
        int base = chain.depth() - 2;
        return base >= disk.goldenLayers()
                && pinnedBy(chain.layers().get(base), vmName).isEmpty()
                && pinnedBy(chain.top(), vmName).isEmpty();
    }

    /// An image that cannot be read may need any layer; one that was removed since it was listed needs
    /// none.
    private Optional<String> need(String id, Layer layer) {
        Path file = home.image(id);
        try {
            return contains(new Images(home).metadata(file).chains(), layer)
                    ? Optional.of("image " + id)
                    : Optional.empty();
        } catch (IOException _) {
            return Files.exists(file)
                    ? Optional.of("image " + id + " (it cannot be read, so it may need any layer)")
                    : Optional.empty();
        }
    }

    static boolean contains(List<BackingChain> chains, Layer layer) {
        return chains.stream().flatMap(chain -> chain.layers().stream()).anyMatch(other -> isSame(other, layer));
    }

    /// One file may have several names, by links.
    private static boolean isSame(Layer one, Layer other) {
        try {
            return one.path().equals(other.path()) || Files.isSameFile(Path.of(one.path()), Path.of(other.path()));
        } catch (IOException _) {
            return false; // One of them is gone, so it is not the other.
        }
    }
}
