package dev.dormouse.engine;

import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.FrozenDisk;
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
        var frozen = new FrozenLayers();
        boolean complete = false;
        try {
            for (FrozenDisk disk : metadata.disks()) {
                for (LayerIdentity layer : disk.layers()) {
                    frozen.freeze(layer);
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

    private void freeze(LayerIdentity layer) throws IOException {
        LayerIdentity.of(layer.layer()); // Says that it is missing in our words.
        Path file = Path.of(layer.layer().path());
        locks.add(OfdLock.tryFreeze(file)
                .orElseThrow(() -> new DiskException(
                        file + ": disk layer is open for writing by another program, end that first")));
        layer.check();
    }

    /// Releases the locks; doing it again does no harm.
    @Override
    public void close() {
        locks.forEach(OfdLock::close);
        locks.clear();
    }
}
