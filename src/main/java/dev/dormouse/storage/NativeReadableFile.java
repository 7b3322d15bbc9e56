package dev.dormouse.storage;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.concurrent.locks.StampedLock;

/// A file read with `pread`. Not a `FileChannel`, because that closes itself under everybody's hands
/// when one of the reading threads is interrupted, and guests wait for these reads.
final class NativeReadableFile implements ReadableFile {
    private final Path file;
    private final int descriptor;
    // Readers share it; close takes it alone, so that no read meets a descriptor number that the
    // system has given to another file meanwhile.
    private final StampedLock lock = new StampedLock();
    private boolean closed;

    private NativeReadableFile(Path file, int descriptor) {
        this.file = file;
        this.descriptor = descriptor;
    }

    static NativeReadableFile open(Path file) throws StorageException {
        int descriptor = Libc.open(file, Libc.O_RDONLY);
        if (descriptor < 0) {
            throw new StorageException(file, "cannot be opened: " + Libc.message(-descriptor));
        }
        return new NativeReadableFile(file, descriptor);
    }

    @Override
    public void readFully(ByteBuffer into, long position) throws IOException {
        if (into.isDirect()) {
            readFully(MemorySegment.ofBuffer(into), position);
        } else {
            ByteBuffer direct = ByteBuffer.allocateDirect(into.remaining());
            readFully(MemorySegment.ofBuffer(direct), position);
            into.duplicate().put(direct);
        }
        into.position(into.limit());
    }

    private void readFully(MemorySegment into, long position) throws IOException {
        long stamp = lock.readLock();
        try {
            if (closed) {
                throw new IllegalStateException(file + " is read after it was closed");
            }
            long done = 0;
            while (done < into.byteSize()) {
                done += readSome(into.asSlice(done), position + done);
            }
        } finally {
            lock.unlockRead(stamp);
        }
    }

    private long readSome(MemorySegment into, long position) throws IOException {
        long result = Libc.pread(descriptor, into, into.byteSize(), position);
        if (result > 0 || result == -Libc.EINTR) {
            return Math.max(result, 0);
        }
        if (result == 0) {
            throw new EOFException(file + ": ends at or before byte " + position);
        }
        throw new StorageException(file, "cannot be read at byte " + position + ": " + Libc.message((int) -result));
    }

    @Override
    public void willNeed(long position, long lengthBytes) {
        long stamp = lock.readLock();
        try {
            if (!closed) {
                Libc.fadvise(descriptor, position, lengthBytes, Libc.POSIX_FADV_WILLNEED);
            }
        } finally {
            lock.unlockRead(stamp);
        }
    }

    @Override
    public long lengthBytes() throws IOException {
        long result = Libc.seekEnd(descriptor);
        if (result < 0) {
            throw new StorageException(file, "has no length: " + Libc.message((int) -result));
        }
        return result;
    }

    @Override
    public void close() {
        long stamp = lock.writeLock();
        try {
            if (!closed) {
                closed = true;
                Libc.close(descriptor);
            }
        } finally {
            lock.unlockWrite(stamp);
        }
    }
}
