package dev.dormouse.storage;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/// A file with holes, such as the memory of a guest in a tmpfs, read with `pread` only: a read through a
/// mapping would fill the holes that it touches. Any number of threads may read; [#close] comes after the
/// last of them.
public final class SparseFile implements AutoCloseable {
    private final Path file;
    private final int descriptor;
    private final long lengthBytes;
    private boolean closed;

    private SparseFile(Path file, int descriptor, long lengthBytes) {
        this.file = file;
        this.descriptor = descriptor;
        this.lengthBytes = lengthBytes;
    }

    public static SparseFile open(Path file) throws StorageException {
        int descriptor = Libc.open(file, Libc.O_RDONLY);
        if (descriptor < 0) {
            throw new StorageException(file, "cannot be opened for reading: " + Libc.message(-descriptor));
        }
        long lengthBytes = Libc.seekEnd(descriptor);
        if (lengthBytes < 0) {
            Libc.close(descriptor);
            throw new StorageException(file, "cannot be measured: " + Libc.message((int) -lengthBytes));
        }
        return new SparseFile(file, descriptor, lengthBytes);
    }

    /// {@return the length when it was opened}
    public long lengthBytes() {
        return lengthBytes;
    }

    /// {@return the first offset from this one on that is in no hole, or the file's length}
    public long nextData(long offset) throws StorageException {
        return seek(offset, Libc.SEEK_DATA);
    }

    /// {@return the first offset from this one on that is in a hole, or the file's length}
    public long nextHole(long offset) throws StorageException {
        return seek(offset, Libc.SEEK_HOLE);
    }

    private long seek(long offset, int whence) throws StorageException {
        if (offset >= lengthBytes) {
            return lengthBytes;
        }
        long result = Libc.seek(descriptor, offset, whence);
        if (result == -Libc.ENXIO) {
            return lengthBytes; // No data behind the offset.
        }
        if (result < 0) {
            throw new StorageException(
                    file, "holes cannot be looked for at byte " + offset + ": " + Libc.message((int) -result));
        }
        return Math.min(result, lengthBytes);
    }

    /// Fills the native memory from the offset on; holes read as zeros and stay holes.
    ///
    /// @throws EOFException if the file ends before that
    public void readFully(MemorySegment into, long offset) throws IOException {
        long done = 0;
        while (done < into.byteSize()) {
            long result = Libc.pread(descriptor, into.asSlice(done), into.byteSize() - done, offset + done);
            if (result == 0) {
                throw new EOFException(file + ": ends at byte " + (offset + done));
            }
            if (result < 0 && result != -Libc.EINTR) {
                throw new StorageException(
                        file, "cannot be read at byte " + (offset + done) + ": " + Libc.message((int) -result));
            }
            done += Math.max(result, 0);
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            Libc.close(descriptor);
        }
    }
}
