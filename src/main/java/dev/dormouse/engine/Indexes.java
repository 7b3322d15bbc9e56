package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.index.BlockIndex;
import dev.dormouse.index.IndexListener;
import dev.dormouse.index.IndexStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;

/// The block indexes of a home, built ahead of the first suspend that needs them.
public final class Indexes {
    private final Home home;
    private final QemuTools tools;

    public Indexes(Home home, QemuTools tools) {
        this.home = home;
        this.tools = tools;
    }

    /// Hears how far the index of one layer is; called by several threads.
    @FunctionalInterface
    public interface Progress {
        void update(Layer layer, long doneBytes, long totalBytes);
    }

    /// Builds the indexes of all layers of a disk that have none which is valid.
    public IndexReport build(Path disk, Progress progress) throws IOException {
        var store = new IndexStore(home.indexes(), tools.images());
        BackingChain chain = tools.images().backingChain(disk);
        var layers = new ArrayList<IndexReport.IndexedLayer>();
        for (Layer layer : chain.layers().reversed()) {
            IndexListener listener = (done, total) -> progress.update(layer, done, total);
            layers.add(build(store, layer, listener));
        }
        return new IndexReport(chain.top().path(), layers);
    }

    private static IndexReport.IndexedLayer build(IndexStore store, Layer layer, IndexListener listener)
            throws IOException {
        long start = System.nanoTime();
        IndexStore.Opened opened = store.open(layer, listener);
        try (BlockIndex index = opened.index()) {
            double seconds = (System.nanoTime() - start) / 1e9;
            return new IndexReport.IndexedLayer(
                    layer.path(),
                    layer.format().qemuName(),
                    opened.built(),
                    index.indexedBlocks(),
                    opened.readBytes(),
                    seconds,
                    opened.readBytes() / 1e9 / seconds,
                    index.file().toString(),
                    index.usedBytes(),
                    index.digest().toString());
        }
    }
}
