package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.index.BlockIndex;
import dev.dormouse.index.IndexListener;
import dev.dormouse.index.IndexStore;
import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

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
    ///
    /// @param idle whether to work only when nobody else needs the processor or the disk
    /// @throws VmException if it is cancelled; indexes that are complete stay
    public IndexReport build(Path disk, boolean idle, Progress progress, Cancellation cancellation) throws IOException {
        if (idle) {
            Libc.workInTheBackground();
        }
        IndexStore store = store();
        BackingChain chain = tools.images().backingChain(disk);
        var layers = new ArrayList<IndexReport.IndexedLayer>();
        for (Layer layer : chain.layers().reversed()) {
            cancellation.check("index of " + disk, "what is complete stays");
            try {
                layers.add(build(store, layer, listener(layer, progress, cancellation)));
            } catch (IOException e) {
                cancellation.check(
                        "index of " + disk, "what is complete stays"); // Whatever it broke off with was our doing then.
                throw e;
            }
        }
        return new IndexReport(chain.top().path(), layers);
    }

    static IndexListener listener(Layer layer, Progress progress, Cancellation cancellation) {
        return new IndexListener() {
            @Override
            public void progress(long doneBytes, long totalBytes) {
                progress.update(layer, doneBytes, totalBytes);
            }

            @Override
            public boolean isCancelled() {
                return cancellation.isWanted();
            }
        };
    }

    /// {@return all index files, with the layers that they belong to}
    public List<IndexStore.IndexFile> files() throws IOException {
        return store().files();
    }

    /// Removes the index of a layer, unless somebody is making or refreshing it now.
    ///
    /// @return whether it is gone
    public boolean remove(IndexStore.IndexFile index) throws IOException {
        return store().remove(index);
    }

    /// Removes the indexes of layers that were in this folder and are gone. What cannot be removed now is
    /// left to the next time.
    void removeOfGone(Path folder) {
        try {
            for (IndexStore.IndexFile index : files()) {
                boolean isGone = index.layer()
                        .filter(layer -> layer.startsWith(folder) && !Files.exists(layer))
                        .isPresent();
                if (isGone) {
                    remove(index);
                }
            }
        } catch (IOException _) {
            // They take space, no more.
        }
    }

    private IndexStore store() {
        return new IndexStore(home.indexes(), tools.images());
    }

    private static IndexReport.IndexedLayer build(IndexStore store, Layer layer, IndexListener listener)
            throws IOException {
        long start = System.nanoTime();
        return report(layer, store.open(layer, listener), start);
    }

    static IndexReport.IndexedLayer report(Layer layer, IndexStore.Opened opened, long start) throws IOException {
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
