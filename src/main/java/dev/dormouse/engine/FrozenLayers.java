package dev.dormouse.engine;

import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The disk layers that an image refers to, locked against writers for as long as they are needed.
final class FrozenLayers implements AutoCloseable {
    private final List<OfdLock> locks = new ArrayList<>();

    private FrozenLayers() {}

    /// Locks the layers, then finds out whether they are still the same: in this order, so that nobody can
    /// change them in between.
    static FrozenLayers freeze(ImageMetadata metadata) throws IOException {
        return freeze(metadata, (_, _) -> false);
    }

    /// Reads a layer that is another file than the frozen one, or was touched, and finds out whether it still
    /// says the same.
    @FunctionalInterface
    interface ContentCheck {
        boolean isSame(Layer layer, String digest) throws IOException;
    }

    /// As [#freeze(ImageMetadata)], but a layer that was copied, moved or restored from a backup is taken if its
    /// content is the frozen one.
    static FrozenLayers freeze(ImageMetadata metadata, ContentCheck content) throws IOException {
        var frozen = new FrozenLayers();
        boolean complete = false;
        try {
            for (FrozenDisk disk : metadata.disks()) {
                for (int i = 0; i < disk.layers().size(); i++) {
                    // The digest of an upper layer does not tell zeros that hide a lower one from nothing.
                    frozen.freeze(disk.layers().get(i), i == 0 ? disk.digest(i) : "", content);
                }
            }
            complete = true;
            return frozen;
        } finally {
            if (!complete) {
                frozen.close();
            }
        }
    }

    private void freeze(LayerIdentity layer, String digest, ContentCheck content) throws IOException {
        LayerIdentity.of(layer.layer()); // Says that it is missing in our words.
        Path file = Path.of(layer.layer().path());
        locks.add(OfdLock.tryFreeze(file)
                .orElseThrow(() -> new DiskException(
                        file + ": disk layer is open for writing by another program, end that first")));
        try {
            layer.check();
        } catch (DiskException e) {
            if (digest.isEmpty() || !layer.mayHaveSameContent() || !content.isSame(layer.layer(), digest)) {
                throw e;
            }
        }
    }

    /// Releases the locks; doing it again does no harm.
    @Override
    public void close() {
        locks.forEach(OfdLock::close);
        locks.clear();
    }
}
