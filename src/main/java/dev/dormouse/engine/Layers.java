package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.image.ImageReader;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Who needs which layer. A layer is pinned while an image, or a VM other than its owner, refers to it; a
/// pinned layer is never written and never deleted.
final class Layers {
    private final Home home;

    Layers(Home home) {
        this.home = home;
    }

    /// {@return who, beside the VM itself, needs the layer; empty if nobody does}
    Optional<String> pinnedBy(Layer layer, String vmName) throws IOException {
        return pinnedBy(layer, vmName, null);
    }

    /// As [#pinnedBy(Layer, String)], with one image left out that is about to go.
    Optional<String> pinnedBy(Layer layer, String vmName, @Nullable String spentImage) throws IOException {
        for (String id : home.imageIds()) {
            if (!id.equals(spentImage) && contains(metadata(id).chains(), layer)) {
                return Optional.of("image " + id);
            }
        }
        for (String name : home.vmNames()) {
            VmRecord record = Vm.open(home, name).record();
            if (!name.equals(vmName) && contains(record.chains(), layer)) {
                return Optional.of("vm " + name);
            }
        }
        return Optional.empty();
    }

    /// {@return whether the top layer of the disk may be merged into the one below it}
    boolean isMergeable(VmConfig.Disk disk, BackingChain chain, String vmName) throws IOException {
        int base = chain.depth() - 2;
        return base >= disk.goldenLayers()
                && pinnedBy(chain.layers().get(base), vmName).isEmpty()
                && pinnedBy(chain.top(), vmName).isEmpty();
    }

    private ImageMetadata metadata(String id) throws IOException {
        try (ImageReader image = ImageReader.open(home.image(id))) {
            return Json.parse(ImageMetadata.class, image.metadata());
        }
    }

    private static boolean contains(List<BackingChain> chains, Layer layer) {
        return chains.stream().anyMatch(chain -> chain.layers().contains(layer));
    }
}
