package dev.dormouse.index;

import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.disk.QemuImg;
import dev.dormouse.storage.AtomicFile;
import dev.dormouse.storage.OfdLock;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// The indexes of layers in a folder, one file each, named by the hash of the layer's path. An index counts
/// only while the layer is the same file (inode) of the same size and modification time. Any thread, and any
/// number of processes: who makes an index holds a lock.
public final class IndexStore {
    private static final long LOCK_POLL_MILLIS = 50;
    private final Path folder;
    private final QemuImg tools;

    /// @param folder is made when it is needed
    public IndexStore(Path folder, QemuImg tools) {
        this.folder = folder;
        this.tools = tools;
    }

    /// An index and what it took to get it.
    ///
    /// @param built false if there was a valid one
    /// @param readBytes what was read of the layer
    /// @param identity of the layer in the state that the index describes
    public record Opened(BlockIndex index, boolean built, long readBytes, LayerIdentity identity) {}

    /// {@return the index of the layer, if there is a valid one}
    public Optional<BlockIndex> find(Layer layer) throws IOException {
        return find(LayerIdentity.of(layer));
    }

    private Optional<BlockIndex> find(LayerIdentity identity) throws IOException {
        Optional<BlockIndex> index = BlockIndex.open(file(identity.layer()));
        if (index.isPresent() && !index.get().isOf(identity)) {
            index.get().close();
            return Optional.empty();
        }
        return index;
    }

    /// {@return the index of the layer, built now if there is no valid one. Waits while somebody else builds it}
    public Opened open(Layer layer, IndexListener listener) throws IOException {
        LayerIdentity identity = LayerIdentity.of(layer);
        Optional<BlockIndex> ready = find(identity);
        if (ready.isPresent()) {
            return new Opened(ready.get(), false, 0, identity);
        }
        try (OfdLock _ = lock(layer, listener)) {
            identity = LayerIdentity.of(layer);
            ready = find(identity); // Somebody else has built it meanwhile.
            return ready.isPresent() ? new Opened(ready.get(), false, 0, identity) : build(layer, listener);
        }
    }

    /// {@return the index of the layer, brought up to date: only what changed is read if the index that there is
    /// describes the state from which on the changes are known, else everything}
    ///
    /// @param since the layer as it was when the changes began to be recorded, or before
    /// @param changed everything that was written since, in bytes of what the guest sees
    public Opened refresh(Layer layer, LayerIdentity since, List<ByteRange> changed, IndexListener listener)
            throws IOException {
        try (OfdLock _ = lock(layer, listener)) {
            LayerIdentity now = LayerIdentity.of(layer);
            Optional<BlockIndex> current = find(now);
            if (current.isPresent()) {
                return new Opened(current.get(), false, 0, now);
            }
            Optional<BlockIndex> old = find(since);
            if (old.isEmpty()) {
                return build(layer, listener);
            }
            return refresh(old.get(), now, changed, listener);
        }
    }

    private Opened refresh(BlockIndex index, LayerIdentity now, List<ByteRange> changed, IndexListener listener)
            throws IOException {
        boolean complete = false;
        try (var view = FrozenDiskView.openLayer(now.layer(), tools)) {
            if (view.blockCount() != index.blockCount()) {
                return build(now.layer(), listener);
            }
            long readBytes = index.refresh(view, clusters(changed, view.clusterBytes()), now, listener);
            complete = true;
            return new Opened(index, true, readBytes, now);
        } finally {
            if (!complete) {
                index.close();
            }
        }
    }

    /// With what was written, the rest of its cluster came into the layer.
    private static List<ByteRange> clusters(List<ByteRange> ranges, int clusterBytes) {
        return ranges.stream().map(range -> range.roundedOut(clusterBytes)).toList();
    }

    private Opened build(Layer layer, IndexListener listener) throws IOException {
        // Before the first read: whoever writes after it makes the index stale, never wrong.
        LayerIdentity identity = LayerIdentity.of(layer);
        try (var view = FrozenDiskView.openLayer(layer, tools);
                AtomicFile file = AtomicFile.create(Storage.fileSystem(), file(layer))) {
            long blocks = BlockChunks.count(BlockChunks.ofData(view));
            BlockIndex index = BlockIndex.create(file.temporary(), view.blockCount(), blocks, identity);
            boolean complete = false;
            try {
                long readBytes = index.build(view, listener);
                file.publish();
                complete = true;
                return new Opened(index, true, readBytes, identity);
            } finally {
                if (!complete) {
                    index.close();
                }
            }
        }
    }

    /// {@return the file in which the index of a layer is, or would be}
    public Path file(Layer layer) {
        long hash = Xxh3.hash64(ByteBuffer.wrap(layer.path().getBytes(StandardCharsets.UTF_8)));
        return folder.resolve(HexFormat.of().toHexDigits(hash) + ".index");
    }

    /// Waits for the lock of a layer; the file of the lock stays.
    private OfdLock lock(Layer layer, IndexListener listener) throws IOException {
        Files.createDirectories(folder);
        Path file = file(layer).resolveSibling(file(layer).getFileName() + ".lock");
        try {
            Storage.fileSystem().createNew(file).close();
        } catch (FileAlreadyExistsException _) {
            // Of an earlier build, or of one at this moment.
        }
        while (true) {
            Optional<OfdLock> lock = OfdLock.tryExclusive(file, OfdLock.Range.ofByte(0));
            if (lock.isPresent()) {
                return lock.get();
            }
            if (listener.isCancelled()) {
                throw new IndexException("%s: cancelled while another process indexes it".formatted(layer.path()));
            }
            pause(layer);
        }
    }

    private static void pause(Layer layer) throws IndexException {
        try {
            Thread.sleep(LOCK_POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IndexException("%s: interrupted while another process indexes it".formatted(layer.path()), e);
        }
    }
}
