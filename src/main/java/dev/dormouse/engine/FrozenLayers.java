package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The disk layers that an image refers to, locked against writers for as long as they are needed.
final class FrozenLayers implements AutoCloseable {
    private final List<OfdLock> locks = new ArrayList<>();

    private FrozenLayers() {}

    /// Locks the layers, then finds out whether they are still the same: in this order, so that nobody can
    /// change them in between.
    static FrozenLayers freeze(ImageMetadata metadata) throws IOException {
        return freeze(metadata.disks(), ContentCheck.NONE);
    }

    /// Reads what is another file than the frozen one, or was touched, and finds out whether it still says
    /// the same.
    interface ContentCheck {
        /// Reads nothing, and so knows nothing.
        ContentCheck NONE = new ContentCheck() {
            @Override
            public boolean isSame(Layer layer, String digest) {
                return false;
            }

            @Override
            public boolean isSame(BackingChain chain, String upperLayers) {
                return false;
            }
        };

        /// {@return whether the layer has the data of which this is the digest}
        boolean isSame(Layer layer, String digest) throws IOException;

        /// {@return whether the parts of the disk come from the same layers as when this was noted}
        boolean isSame(BackingChain chain, String upperLayers) throws IOException;
    }

    /// As [#freeze(ImageMetadata)], but a layer that was copied, moved or restored from a backup is taken if
    /// its content is the frozen one.
    static FrozenLayers freeze(ImageMetadata metadata, ContentCheck content) throws IOException {
        return freeze(metadata.disks(), content);
    }

    /// As [#freeze(ImageMetadata, ContentCheck)], of these disks.
    static FrozenLayers freeze(List<FrozenDisk> disks, ContentCheck content) throws IOException {
        var frozen = new FrozenLayers();
        boolean complete = false;
        try {
            for (FrozenDisk disk : disks) {
                frozen.freeze(disk, content);
            }
            complete = true;
            return frozen;
        } finally {
            if (!complete) {
                frozen.close();
            }
        }
    }

    private void freeze(FrozenDisk disk, ContentCheck content) throws IOException {
        for (LayerIdentity layer : disk.layers()) {
            lock(layer);
        }
        DiskException changed = null;
        for (int i = 0; i < disk.layers().size(); i++) {
            DiskException difference = difference(disk.layers().get(i), disk.digest(i), content);
            // What an upper layer does not hide is not in its digest, and neither is what it hides with zeros.
            changed = i > 0 && difference != null ? difference : changed;
        }
        String upper = disk.upperLayers();
        if (changed != null && (upper == null || upper.isEmpty() || !content.isSame(disk.chain(), upper))) {
            throw changed;
        }
    }

    private void lock(LayerIdentity layer) throws IOException {
        LayerIdentity.of(layer.layer()); // Says that it is missing in our words.
        for (Path file : layer.files()) {
            locks.add(OfdLock.tryFreeze(file)
                    .orElseThrow(() -> new DiskException(
                            file + ": disk layer is open for writing by another program, end that first")));
        }
    }

    /// {@return why the layer is another file than it was, although it holds the same data; null if it is the
    /// same}
    ///
    /// @throws DiskException if it does not hold the same data, or that cannot be told
    private static @Nullable DiskException difference(LayerIdentity layer, String digest, ContentCheck content)
            throws IOException {
        try {
            layer.check();
            return null;
        } catch (DiskException e) {
            if (digest.isEmpty() || !layer.mayHaveSameContent() || !content.isSame(layer.layer(), digest)) {
                throw e;
            }
            return e;
        }
    }

    /// Releases the locks; doing it again does no harm.
    @Override
    public void close() {
        locks.forEach(OfdLock::close);
        locks.clear();
    }
}
