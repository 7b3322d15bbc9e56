package dev.dormouse.disk;

import dev.dormouse.storage.ReadableFile;
import dev.dormouse.storage.Storage;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A layer that is read: the file in which its data lies, and how QEMU is told to open it. Any thread.
final class LayerFile implements Closeable {
    private final Layer layer;
    private final @Nullable Path dataFile;
    private final String dataPath;
    private final ReadableFile data;
    private final long lengthBytes;
    private final boolean direct;
    private final int clusterBytes;

    private LayerFile(Layer layer, @Nullable Path dataFile, ReadableFile data, boolean direct, int clusterBytes)
            throws IOException {
        this.layer = layer;
        this.dataFile = dataFile;
        this.dataPath = dataFile == null ? layer.path() : dataFile.toString();
        this.data = data;
        this.lengthBytes = data.lengthBytes();
        this.direct = direct;
        this.clusterBytes = clusterBytes;
    }

    static LayerFile open(Layer layer) throws IOException {
        ReadableFile file = Storage.fileSystem().openForReading(Path.of(layer.path()));
        boolean complete = false;
        try {
            // Of the other formats a layer is one file, too: where a map names a place, it is in that.
            LayerFile result = layer.format() == Layer.Format.QCOW2
                    ? ofQcow2(layer, file)
                    : new LayerFile(layer, null, file, true, 1);
            complete = true;
            return result;
        } finally {
            if (!complete) {
                file.close();
            }
        }
    }

    private static LayerFile ofQcow2(Layer layer, ReadableFile file) throws IOException {
        Qcow2Header header = Qcow2Header.read(file, layer.path());
        if (!header.hasDataFile()) {
            return new LayerFile(layer, null, file, true, header.clusterBytes());
        }
        String name = header.dataFile();
        if (name == null || name.indexOf(':') >= 0) {
            return new LayerFile(
                    layer, null, file, false, header.clusterBytes()); // Not a plain path: QEMU may know what it means.
        }
        // QEMU takes it from the folder of the image too.
        Path dataFile = Path.of(layer.path()).resolveSibling(name);
        ReadableFile data = Storage.fileSystem().openForReading(dataFile);
        boolean complete = false;
        try {
            var result = new LayerFile(layer, dataFile, data, true, header.clusterBytes());
            complete = true;
            file.close();
            return result;
        } finally {
            if (!complete) {
                data.close();
            }
        }
    }

    /// {@return the external data file of a layer, if its data is not in the layer itself; empty, too, where
    /// the file is not what its format says, which whoever reads it explains}
    static Optional<Path> dataFile(Layer layer) throws IOException {
        if (layer.format() != Layer.Format.QCOW2) {
            return Optional.empty();
        }
        try (ReadableFile file = Storage.fileSystem().openForReading(Path.of(layer.path()))) {
            Qcow2Header header = Qcow2Header.read(file, layer.path());
            String name = header.dataFile();
            return header.hasDataFile() && name != null && name.indexOf(':') < 0
                    ? Optional.of(Path.of(layer.path()).resolveSibling(name))
                    : Optional.empty();
        } catch (DiskException _) {
            return Optional.empty();
        }
    }

    /// {@return whether offsets in a map of this layer are offsets in our file}
    boolean isDirect() {
        return direct;
    }

    /// {@return the unit in which the file takes space, 1 if there is none}
    int clusterBytes() {
        return clusterBytes;
    }

    /// {@return the length that the file had when it was opened}
    long lengthBytes() {
        return lengthBytes;
    }

    ReadableFile data() {
        return data;
    }

    String dataPath() {
        return dataPath;
    }

    /// {@return how QEMU opens this layer above the node, whatever its header says}
    Map<String, Object> node(@Nullable Map<String, Object> backing) {
        var node = new LinkedHashMap<String, Object>();
        node.put("driver", layer.format().qemuName());
        node.put("file", file(layer.path()));
        if (dataFile != null) {
            node.put("data-file", file(dataFile.toString()));
        }
        if (layer.format().hasBacking()) {
            node.put("backing", backing);
        }
        return node;
    }

    /// {@return how QEMU opens a chain, whatever the headers of its files say}
    static Map<String, Object> nodeOf(BackingChain chain) throws IOException {
        var topFirst = new ArrayList<LayerFile>();
        for (Layer layer : chain.layers().reversed()) {
            try (LayerFile file = open(layer)) {
                topFirst.add(file);
            }
        }
        return nodeOf(topFirst);
    }

    /// {@return as [#nodeOf(BackingChain)]; the files may be closed}
    static Map<String, Object> nodeOf(List<LayerFile> topFirst) {
        Map<String, Object> node = null;
        for (LayerFile file : topFirst.reversed()) {
            node = file.node(node);
        }
        if (node == null) {
            throw new IllegalArgumentException("a chain without layers");
        }
        return node;
    }

    private static Map<String, Object> file(String path) {
        return Map.of("driver", "file", "filename", path);
    }

    @Override
    public void close() throws IOException {
        data.close();
    }
}
