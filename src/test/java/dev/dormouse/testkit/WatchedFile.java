package dev.dormouse.testkit;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.WritableByteChannel;

/// A file that tells of each write and each force, after it has happened.
final class WatchedFile extends FileChannel {
    private final FileChannel file;
    private final Written written;
    private final Forced forced;

    interface Written {
        void happened(String what) throws IOException;
    }

    interface Forced {
        void happened() throws IOException;
    }

    WatchedFile(FileChannel file, Written written, Forced forced) {
        this.file = file;
        this.written = written;
        this.forced = forced;
    }

    @Override
    public int read(ByteBuffer into) throws IOException {
        return file.read(into);
    }

    @Override
    public long read(ByteBuffer[] into, int offset, int length) throws IOException {
        return file.read(into, offset, length);
    }

    @Override
    public int read(ByteBuffer into, long position) throws IOException {
        return file.read(into, position);
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
        int bytes = file.write(from);
        written.happened("write to");
        return bytes;
    }

    @Override
    public long write(ByteBuffer[] from, int offset, int length) throws IOException {
        long bytes = file.write(from, offset, length);
        written.happened("write to");
        return bytes;
    }

    @Override
    public int write(ByteBuffer from, long position) throws IOException {
        int bytes = file.write(from, position);
        written.happened("write at " + position + " of");
        return bytes;
    }

    @Override
    public long position() throws IOException {
        return file.position();
    }

    @Override
    public FileChannel position(long newPosition) throws IOException {
        file.position(newPosition);
        return this;
    }

    @Override
    public long size() throws IOException {
        return file.size();
    }

    @Override
    public FileChannel truncate(long size) throws IOException {
        file.truncate(size);
        written.happened("truncate");
        return this;
    }

    @Override
    public void force(boolean metadata) throws IOException {
        file.force(metadata);
        forced.happened();
    }

    @Override
    public long transferTo(long position, long count, WritableByteChannel target) throws IOException {
        return file.transferTo(position, count, target);
    }

    @Override
    public long transferFrom(ReadableByteChannel source, long position, long count) throws IOException {
        long bytes = file.transferFrom(source, position, count);
        written.happened("write at " + position + " of");
        return bytes;
    }

    @Override
    public MappedByteBuffer map(MapMode mode, long position, long size) {
        throw new UnsupportedOperationException("what is written through a mapping cannot be watched");
    }

    @Override
    public FileLock lock(long position, long size, boolean shared) throws IOException {
        return file.lock(position, size, shared);
    }

    @Override
    public FileLock tryLock(long position, long size, boolean shared) throws IOException {
        return file.tryLock(position, size, shared);
    }

    @Override
    protected void implCloseChannel() throws IOException {
        file.close();
    }
}
