package dev.dormouse.storage;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;

/// A file open for positional reads, by any number of threads at once. A read is a system call, never
/// a fault on a mapping, so a truncated file is an error and not a signal.
public interface ReadableFile extends Closeable {
    /// Fills the buffer from its position to its limit.
    ///
    /// @throws java.io.EOFException if the file ends before that
    /// @throws StorageException if the device or the file system fails
    void readFully(ByteBuffer into, long position) throws IOException;

    /// Says that a part of the file is going to be read. It is read into the page cache then, behind the caller's
    /// back, where that is possible.
    default void willNeed(long position, long lengthBytes) {}

    /// {@return the length at this moment}
    long lengthBytes() throws IOException;

    @Override
    void close() throws IOException;
}
