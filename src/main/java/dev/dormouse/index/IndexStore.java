package dev.dormouse.index;

import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.disk.QemuImg;
import dev.dormouse.storage.AtomicFile;
import dev.dormouse.storage.OfdLock;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.StorageException;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;

/// The indexes of layers in a folder, one file each, named by the hash of the layer's path. An index counts
/// only while the layer is the same file (inode) of the same size and modification time. Any thread, and any
/// number of processes: who makes an index holds a lock.
public final class IndexStore {
    private static final long LOCK_POLL_MILLIS = 50;
    private static final String SUFFIX = ".index";
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

    /// {@return the index of the layer, built now if there is no valid one. Waits while somebody else builds
    /// it}
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

    /// {@return the index of a layer that may be written meanwhile, as one of the state from which on its
    /// changes are recorded: what changes is read again by [#refresh]}
    public Opened prepare(LayerIdentity since, IndexListener listener) throws IOException {
        try (OfdLock _ = lock(since.layer(), listener)) {
            Optional<BlockIndex> ready = find(since);
            return ready.isPresent() ? new Opened(ready.get(), false, 0, since) : build(since.layer(), since, listener);
        }
    }

    /// {@return whether there is an index of the layer in that state}
    public boolean isReady(LayerIdentity state) throws IOException {
        Optional<BlockIndex> index = find(state);
        if (index.isPresent()) {
            index.get().close();
        }
        return index.isPresent();
    }

    /// {@return the index of the layer, brought up to date: only what changed is read if the index that there
    /// is describes the state from which on the changes are known, else everything}
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
        } catch (InternalError e) {
            // What the JVM makes of a page of a mapped file that cannot be read or written.
            Files.deleteIfExists(file(layer));
            throw new IndexException(
                    file(layer) + ": block index cannot be read, look at its device; it will be made anew", e);
        }
    }

    /// {@return the same index, complete on the disk, opened again whatever its layer is by now}
    public BlockIndex complete(BlockIndex index) throws IOException {
        index.close();
        return BlockIndex.open(index.file())
                .orElseThrow(() -> new IndexException(index.file() + ": the index was removed while it was used"));
    }

    private Opened refresh(BlockIndex index, LayerIdentity now, List<ByteRange> changed, IndexListener listener)
            throws IOException {
        if (changed.isEmpty()) {
            index.confirm(now);
            return new Opened(index, true, 0, now);
        }
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
        return build(layer, LayerIdentity.of(layer), listener);
    }

    /// Under the lock: what is being written aside now is of somebody who was killed.
    private Opened build(Layer layer, LayerIdentity identity, IndexListener listener) throws IOException {
        removeTemporary(file(layer));
        try (var view = FrozenDiskView.openLayer(layer, tools);
                AtomicFile file = AtomicFile.create(Storage.fileSystem(), file(layer))) {
            long blocks = BlockChunks.count(BlockChunks.ofData(view));
            BlockIndex index = BlockIndex.create(file.temporary(), view.blockCount(), blocks, identity);
            boolean complete = false;
            try {
                long readBytes = index.build(view, listener);
                file.publish();
                index.moved(file(layer));
                complete = true;
                return new Opened(index, true, readBytes, identity);
            } finally {
                if (!complete) {
                    index.close();
                }
            }
        }
    }

    private void removeTemporary(Path file) throws IOException {
        try (DirectoryStream<Path> left =
                Files.newDirectoryStream(folder, file.getFileName() + ".*" + AtomicFile.SUFFIX)) {
            for (Path temporary : left) {
                Files.deleteIfExists(temporary);
            }
        }
    }

    /// A file of an index.
    ///
    /// @param layer path of the layer it is of; empty if it is damaged, or of an earlier version
    /// @param bytes its length; parts of it may be holes
    public record IndexFile(Path file, Optional<Path> layer, long bytes) {}

    /// {@return all files of indexes, complete or not, without those that are being written aside}
    public List<IndexFile> files() throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        var files = new ArrayList<IndexFile>();
        try (DirectoryStream<Path> all = Files.newDirectoryStream(folder, "*" + SUFFIX)) {
            for (Path file : all) {
                describe(file).ifPresent(files::add);
            }
        }
        files.sort(Comparator.comparing(IndexFile::file));
        return List.copyOf(files);
    }

    private static Optional<IndexFile> describe(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer start = ByteBuffer.allocate(4096);
            while (start.hasRemaining() && channel.read(start, start.position()) >= 0) {
                // A short file says nothing of its layer.
            }
            return Optional.of(
                    new IndexFile(file, IndexHeader.decodePath(start.flip()).map(Path::of), channel.size()));
        } catch (NoSuchFileException _) {
            return Optional.empty(); // Removed meanwhile.
        }
    }

    /// Removes an index with its lock, unless somebody is making or refreshing it now.
    ///
    /// @return whether it is gone
    public boolean remove(IndexFile index) throws IOException {
        Path lockFile = lockFile(index.file());
        if (!Files.exists(lockFile)) {
            Files.deleteIfExists(index.file());
            return true;
        }
        Optional<OfdLock> lock = OfdLock.tryExclusive(lockFile, OfdLock.Range.ofByte(0));
        if (lock.isEmpty()) {
            return false;
        }
        try (OfdLock _ = lock.get()) {
            removeTemporary(index.file());
            Files.deleteIfExists(index.file());
            Files.deleteIfExists(lockFile);
            return true;
        }
    }

    private static Path lockFile(Path file) {
        return file.resolveSibling(file.getFileName() + ".lock");
    }

    /// {@return the file in which the index of a layer is, or would be}
    public Path file(Layer layer) {
        long hash = Xxh3.hash64(ByteBuffer.wrap(layer.path().getBytes(StandardCharsets.UTF_8)));
        return folder.resolve(HexFormat.of().toHexDigits(hash) + SUFFIX);
    }

    /// Waits for the lock of a layer. Its file stays until the index is removed; who got the lock of one that
    /// was removed at that moment begins again.
    private OfdLock lock(Layer layer, IndexListener listener) throws IOException {
        Files.createDirectories(folder);
        Path file = lockFile(file(layer));
        while (true) {
            try {
                Storage.fileSystem().createNew(file).close();
            } catch (FileAlreadyExistsException _) {
                // Of an earlier build, or of one at this moment.
            }
            Optional<OfdLock> lock = tryLock(file);
            if (lock.isPresent()) {
                return lock.get();
            }
            if (listener.isCancelled()) {
                throw new IndexException("%s: cancelled while another process indexes it".formatted(layer.path()));
            }
            pause(layer);
        }
    }

    private static Optional<OfdLock> tryLock(Path file) throws IOException {
        try {
            Object inode = Files.getAttribute(file, "unix:ino");
            Optional<OfdLock> lock = OfdLock.tryExclusive(file, OfdLock.Range.ofByte(0));
            if (lock.isPresent() && !(Files.exists(file) && inode.equals(Files.getAttribute(file, "unix:ino")))) {
                lock.get().close();
                return Optional.empty();
            }
            return lock;
        } catch (NoSuchFileException _) {
            return Optional.empty();
        } catch (StorageException e) {
            if (Files.exists(file)) {
                throw e;
            }
            return Optional.empty(); // Removed between the two looks.
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
