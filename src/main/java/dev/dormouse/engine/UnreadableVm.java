package dev.dormouse.engine;

import dev.dormouse.disk.Layer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// A VM whose state cannot be read, as others see it: it needs all that it could need, and is in nobody's way beyond
/// that. What it could need its configuration tells, which is a file of its own.
final class UnreadableVm {
    private final Home home;
    private final Vm vm;

    UnreadableVm(Home home, Vm vm) {
        this.home = home;
        this.vm = vm;
    }

    /// {@return whether its memory may be in the image: one of its own, or one that it may have been made of}
    boolean mayNeed(String image) {
        Path file = home.image(image);
        try {
            ImageMetadata metadata = new Images(home).metadata(file);
            return metadata.vm().equals(vm.name()) || mayBeOf(metadata);
        } catch (IOException _) {
            return Files.exists(file);
        }
    }

    /// A VM that is made of an image shares all of its layers.
    private boolean mayBeOf(ImageMetadata image) {
        Optional<List<Integer>> shared = sharedLayers();
        List<Integer> layers =
                image.disks().stream().map(disk -> disk.layers().size()).toList();
        return shared.isEmpty() || shared.get().equals(layers);
    }

    /// {@return whether it may need the layer: one in its folder, or, where it shares layers with others, any}
    boolean mayNeed(Layer layer) {
        return Path.of(layer.path()).startsWith(vm.folder())
                || sharedLayers()
                        .map(counts -> counts.stream().anyMatch(count -> count > 0))
                        .orElse(true);
    }

    /// {@return of each disk how many layers it shares; empty if that cannot be read either}
    private Optional<List<Integer>> sharedLayers() {
        try {
            return Optional.of(vm.config().disks().stream()
                    .map(VmConfig.Disk::goldenLayers)
                    .toList());
        } catch (IOException _) {
            return Optional.empty();
        }
    }
}
