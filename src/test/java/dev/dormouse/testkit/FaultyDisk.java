package dev.dormouse.testkit;

import dev.dormouse.storage.ReadableFile;
import dev.dormouse.storage.Storage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/// The disk of a machine whose power may be cut after any step. The files are real, so that QEMU works on
/// them, too; what of them is *on the disk* is kept in memory beside them: the content that a file had when it
/// was last forced, the entries that a folder had when it was last forced. All else may be lost, torn or
/// arrive in another order; [PowerCut] says what then is left.
///
/// What other programs force is not seen: their writes count as never forced, unless [#force] or
/// [#settle] is called for them. Safe for any thread.
public final class FaultyDisk implements Storage {
    private final Path root;
    private final Storage real = Storage.fileSystem();
    private final Map<Object, byte[]> forcedContents = new HashMap<>();
    private final Map<Path, Object> forcedEntries = new TreeMap<>();
    private final List<PowerCut> cuts = new ArrayList<>();
    private final Map<Object, byte[]> lastSeen = new HashMap<>();
    private boolean recording;

    /// @param root the folder whose files are watched, with all below it
    public FaultyDisk(Path root) {
        this.root = root;
    }

    /// What tells a folder from others, and from a file.
    record Folder(Object inode) {}

    /// A file or folder that has a name now.
    static final class Entry {
        private final Object inode;
        private final byte[] content;

        Entry(Object inode, byte[] content) {
            this.inode = inode;
            this.content = content;
        }

        Object inode() {
            return inode;
        }

        byte[] content() {
            return content;
        }

        boolean isFolder() {
            return inode instanceof Folder;
        }
    }

    /// Lets everything that there is be on the disk.
    public synchronized void settle() throws IOException {
        forcedContents.clear();
        forcedEntries.clear();
        for (var entry : tree().entrySet()) {
            forcedEntries.put(entry.getKey(), entry.getValue().inode());
            forcedContents.put(entry.getValue().inode(), entry.getValue().content());
        }
    }

    /// Begins to note what a cut after each step leaves. Cut 0 is the one before the first step.
    public synchronized void record() throws IOException {
        settle();
        cuts.clear();
        recording = true;
        step("nothing");
    }

    /// {@return the cuts after each step since [#record]}
    public synchronized List<PowerCut> cuts() {
        recording = false;
        return List.copyOf(cuts);
    }

    /// {@return the number of the next cut}
    public synchronized int cutCount() {
        return cuts.size();
    }

    private void step(String what) throws IOException {
        if (recording) {
            cuts.add(new PowerCut(
                    cuts.size(), what, root, Map.copyOf(forcedEntries), Map.copyOf(forcedContents), tree()));
        }
    }

    /// {@return all that has a name now, folders before what is in them}
    private Map<Path, Entry> tree() throws IOException {
        var tree = new TreeMap<Path, Entry>();
        try (Stream<Path> files = Files.walk(root)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                try {
                    Object inode = Files.getAttribute(file, "unix:ino");
                    if (Files.isDirectory(file)) {
                        tree.put(file, new Entry(new Folder(inode), new byte[0]));
                    } else if (Files.isRegularFile(file)) {
                        tree.put(file, new Entry(inode, content(file, inode)));
                    }
                } catch (NoSuchFileException _) {
                    // Removed by QEMU since it was listed.
                }
            }
        }
        return tree;
    }

    private byte[] content(Path file, Object inode) throws IOException {
        byte[] now = Files.readAllBytes(file);
        byte[] before = lastSeen.get(inode);
        if (before != null && Arrays.equals(before, now)) {
            return before; // Kept once, however many cuts hold it.
        }
        lastSeen.put(inode, now);
        return now;
    }

    @Override
    public synchronized FileChannel createNew(Path file) throws IOException {
        FileChannel channel = real.createNew(file);
        Object inode = Files.getAttribute(file, "unix:ino");
        forcedContents.put(inode, new byte[0]); // Its number may be that of a file that is gone.
        forcedEntries.values().remove(inode);
        step("create " + file);
        return new WatchedFile(channel, what -> written(inode, file, what), () -> forced(inode, channel, file));
    }

    private synchronized void written(Object inode, Path file, String what) throws IOException {
        assert forcedContents.containsKey(inode);
        step(what + " " + file);
    }

    private synchronized void forced(Object inode, FileChannel channel, Path file) throws IOException {
        ByteBuffer content = ByteBuffer.allocate(Math.toIntExact(channel.size()));
        while (content.hasRemaining() && channel.read(content, content.position()) > 0) {
            // A read may give less than was asked for.
        }
        forcedContents.put(inode, content.array());
        step("force " + file);
    }

    @Override
    public ReadableFile openForReading(Path file) throws IOException {
        return real.openForReading(file);
    }

    @Override
    public synchronized void moveAtomically(Path from, Path to) throws IOException {
        real.moveAtomically(from, to);
        step("move " + from + " to " + to);
    }

    @Override
    public synchronized void forceDirectory(Path directory) throws IOException {
        real.forceDirectory(directory);
        Path folder = directory.normalize();
        forcedEntries.keySet().removeIf(path -> folder.equals(path.getParent()));
        for (var entry : tree().entrySet()) {
            if (folder.equals(entry.getKey().getParent())) {
                forcedEntries.put(entry.getKey(), entry.getValue().inode());
            }
        }
        step("force folder " + directory);
    }

    @Override
    public synchronized void deleteIfExists(Path file) throws IOException {
        real.deleteIfExists(file);
        step("delete " + file);
    }

    @Override
    public synchronized void createDirectory(Path folder) throws IOException {
        real.createDirectory(folder);
        step("create folder " + folder);
    }

    @Override
    public synchronized void force(Path file) throws IOException {
        real.force(file);
        Object inode = Files.getAttribute(file, "unix:ino");
        forcedContents.put(inode, content(file, inode));
        step("force " + file);
    }
}
