package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.image.OnDiskReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Reads the disks of an image as the guest saw them, each opened when it is first asked for. One thread.
final class FrozenDiskReader implements OnDiskReader, AutoCloseable {
    private final ImageMetadata metadata;
    private final DiskOpener opener;
    private final Map<Integer, DiskView> views = new HashMap<>();

    FrozenDiskReader(ImageMetadata metadata, DiskOpener opener) {
        this.metadata = metadata;
        this.opener = opener;
    }

    /// {@return for each layer that is not the file that it was what is different}
    List<String> changedLayers() throws IOException {
        var changes = new ArrayList<String>();
        for (FrozenDisk disk : metadata.disks()) {
            for (LayerIdentity layer : disk.layers()) {
                try {
                    layer.check();
                } catch (DiskException e) {
                    changes.add(e.getMessage());
                }
            }
        }
        return changes;
    }

    @Override
    public void read(int disk, long block, ByteBuffer into) throws IOException {
        view(disk).read(block, into);
    }

    @Override
    public long readingOrder(int disk, long block) throws IOException {
        return view(disk).readingOrder(block);
    }

    private DiskView view(int disk) throws IOException {
        DiskView view = views.get(disk);
        if (view == null) {
            List<BackingChain> chains = metadata.chains();
            if (disk >= chains.size()) {
                throw new DiskException(
                        "disk %d: the image has pages on it and names %d disks only".formatted(disk, chains.size()));
            }
            view = opener.open(chains.get(disk));
            views.put(disk, view);
        }
        return view;
    }

    @Override
    public void close() throws IOException {
        for (DiskView view : views.values()) {
            view.close();
        }
        views.clear();
    }
}
