package dev.dormouse.storage;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/// The few things that durable files need from a file system. Apart so that a test can cut the power
/// or fill the disk between any two of them. Implementations are safe for any thread.
public interface Storage {
    /// {@return the host's file system}
    static Storage fileSystem() {
        return FileSystemStorage.INSTANCE;
    }

    /// Creates a file that must not exist yet, open for writing and reading, for its owner's eyes only.
    FileChannel createNew(Path file) throws IOException;

    /// Opens an existing file for positional reads.
    ReadableFile openForReading(Path file) throws IOException;

    /// Gives `from` the name `to` in one step; a file that has the name already is replaced.
    void moveAtomically(Path from, Path to) throws IOException;

    /// Returns when the directory's entries are on the disk.
    void forceDirectory(Path directory) throws IOException;

    /// Removes a file or an empty folder. After a crash it may be there again, until its directory is forced.
    void deleteIfExists(Path file) throws IOException;

    /// Creates a folder that must not exist yet, for its owner only.
    void createDirectory(Path folder) throws IOException;

    /// Returns when all of an existing file is on the disk, whoever wrote it.
    void force(Path file) throws IOException;

    /// Has the system begin to write a part of the file to the disk, so that forcing the file later takes
    /// less time. A hint: what it fails to do, that forcing does.
    default void startWriteback(Path file, long offset, long lengthBytes) {}

    /// Replaces the content of a file durably: after a crash it holds the old content or the new.
    default void writeAtomically(Path target, byte[] content) throws IOException {
        try (AtomicFile file = AtomicFile.create(this, target)) {
            file.writeFully(ByteBuffer.wrap(content), 0);
            file.publish();
        }
    }
}
