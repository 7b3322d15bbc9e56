package dev.dormouse.storage;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.concurrent.ThreadLocalRandom;

/// A file that is written aside and gets its name only when it is complete and on the disk. Until
/// [#publish] the target is untouched; closing without it removes what was written. One thread.
///
/// Errors are [StorageException] and name the target.
public final class AtomicFile implements AutoCloseable {
    /// The end of the name of every file that is written aside: after a crash such a file is rubbish.
    public static final String SUFFIX = ".tmp";

    private final Storage storage;
    private final Path target;
    private final Path temporary;
    private final FileChannel channel;
    private boolean finished;

    private AtomicFile(Storage storage, Path target, Path temporary, FileChannel channel) {
        this.storage = storage;
        this.target = target;
        this.temporary = temporary;
        this.channel = channel;
    }

    /// Creates `<name>.<8 hex digits>.tmp` beside the target, whose directory must exist.
    public static AtomicFile create(Storage storage, Path target) throws IOException {
        Path absolute = target.toAbsolutePath();
        Path fileName = absolute.getFileName();
        if (fileName == null) {
            throw new IllegalArgumentException("not the path of a file: " + target);
        }
        String random = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
        Path temporary = absolute.resolveSibling(fileName + "." + random + SUFFIX);
        try {
            return new AtomicFile(storage, absolute, temporary, storage.createNew(temporary));
        } catch (IOException e) {
            throw failure(absolute, "cannot be created", e);
        }
    }

    /// {@return whether the file is one that was being written aside}
    public static boolean isTemporary(Path file) {
        Path name = file.getFileName();
        return name != null && name.toString().endsWith(SUFFIX);
    }

    public Path target() {
        return target;
    }

    /// {@return where the bytes are until publication}
    public Path temporary() {
        return temporary;
    }

    /// Writes all that remains in the buffer.
    public void writeFully(ByteBuffer bytes, long position) throws IOException {
        long at = position;
        try {
            while (bytes.hasRemaining()) {
                at += channel.write(bytes, at);
            }
        } catch (IOException e) {
            throw failure(target, "cannot be written at byte " + at, e);
        }
    }

    /// Has the system begin to write what is in the file at this place to the disk.
    public void startWriteback(long offset, long lengthBytes) {
        storage.startWriteback(temporary, offset, lengthBytes);
    }

    /// Forces what was written so far to the disk, so that the publication has less to do.
    public void force() throws IOException {
        try {
            channel.force(false);
        } catch (IOException e) {
            throw failure(target, "cannot be forced to the disk", e);
        }
    }

    /// Forces the bytes to the disk, gives the file its name, forces the directory. When it throws, the
    /// target is the old file or the complete new one.
    public void publish() throws IOException {
        if (finished) {
            throw new IllegalStateException(target + " is already published or given up");
        }
        try {
            channel.force(true);
            channel.close();
            storage.moveAtomically(temporary, target);
            finished = true;
            storage.forceDirectory(parent());
        } catch (IOException e) {
            throw failure(target, "cannot be published", e);
        }
    }

    /// Without a publication before it, removes what was written.
    @Override
    public void close() throws IOException {
        if (finished) {
            return;
        }
        finished = true;
        try (channel) {
            storage.deleteIfExists(temporary);
        } catch (IOException e) {
            throw failure(temporary, "cannot be removed", e);
        }
    }

    private Path parent() {
        Path parent = target.getParent();
        assert parent != null : "an absolute path of a file has a parent";
        return parent;
    }

    private static StorageException failure(Path file, String what, IOException cause) {
        return new StorageException(file, what + ": " + reason(cause), cause);
    }

    /// What the system said, without the path, which the message holds already.
    private static String reason(IOException e) {
        if (e instanceof FileSystemException failure) {
            String reason = failure.getReason();
            return reason != null ? reason : e.getClass().getSimpleName();
        }
        return String.valueOf(e.getMessage());
    }
}
