package dev.dormouse.image;

import dev.dormouse.storage.ReadableFile;
import dev.dormouse.storage.Storage;
import java.io.EOFException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/// A storage whose every file has the given content, to open thousands of damaged ones quickly.
final class BytesAsFile implements Storage {
    private final byte[] content;

    BytesAsFile(byte[] content) {
        this.content = content;
    }

    @Override
    public ReadableFile openForReading(Path file) {
        return new ReadableFile() {
            @Override
            public void readFully(ByteBuffer into, long position) throws EOFException {
                if (position + into.remaining() > content.length) {
                    throw new EOFException(file + ": ends at or before byte " + position);
                }
                into.put(content, (int) position, into.remaining());
            }

            @Override
            public long lengthBytes() {
                return content.length;
            }

            @Override
            public void close() {}
        };
    }

    @Override
    public FileChannel createNew(Path file) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void moveAtomically(Path from, Path to) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void forceDirectory(Path directory) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void deleteIfExists(Path file) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void createDirectory(Path folder) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void force(Path file) {
        throw new UnsupportedOperationException();
    }
}
