package dev.dormouse.image;

import dev.dormouse.storage.ReadableFile;
import dev.dormouse.storage.Storage;
import dev.dormouse.storage.Xxh3;
import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Locale;

/// The bytes of an image and the errors about them. Any thread.
final class ImageFile implements Closeable {
    private final Path path;
    private final ReadableFile file;
    private final long lengthBytes;

    private ImageFile(Path path, ReadableFile file, long lengthBytes) {
        this.path = path;
        this.file = file;
        this.lengthBytes = lengthBytes;
    }

    static ImageFile open(Storage storage, Path path) throws IOException {
        ReadableFile file = storage.openForReading(path);
        try {
            return new ImageFile(path, file, file.lengthBytes());
        } catch (IOException e) {
            file.close();
            throw e;
        }
    }

    Path path() {
        return path;
    }

    long lengthBytes() {
        return lengthBytes;
    }

    /// {@return a direct buffer; the range was checked to be within the file}
    ByteBuffer read(long position, long length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocateDirect(Math.toIntExact(length));
        readFully(bytes, position);
        return bytes.flip().order(ImageFormat.ORDER);
    }

    /// Fills the buffer to its limit, and leaves its position there.
    void readFully(ByteBuffer into, long position) throws IOException {
        try {
            file.readFully(into, position);
        } catch (EOFException e) {
            throw new CorruptImageException(
                    path, position, "file has become shorter than the " + lengthBytes + " bytes it had", e);
        }
    }

    /// As [ReadableFile#willNeed].
    void willNeed(long position, long lengthBytes) {
        file.willNeed(position, lengthBytes);
    }

    /// Reads a part and checks it.
    ByteBuffer readChecked(String what, long position, long length, long checksum) throws IOException {
        ByteBuffer bytes = read(position, length);
        checkChecksum(what, bytes, position, checksum);
        return bytes;
    }

    /// Fills the buffer from its position, 0, to its limit and checks that; it is ready to be read then.
    void readChecked(String what, ByteBuffer into, long position, long checksum) throws IOException {
        readFully(into, position);
        checkChecksum(what, into.flip(), position, checksum);
    }

    void checkChecksum(String what, ByteBuffer bytes, long position, long checksum) throws CorruptImageException {
        long computed = Xxh3.hash64(bytes);
        if (computed != checksum) {
            throw corrupt(position, "%s has checksum %#x, not %#x", what, computed, checksum);
        }
    }

    void check(boolean valid, long position, String format, Object... arguments) throws CorruptImageException {
        if (!valid) {
            throw corrupt(position, format, arguments);
        }
    }

    @SuppressWarnings("AnnotateFormatMethod") // Its annotation would be one more dependency.
    CorruptImageException corrupt(long position, String format, Object... arguments) {
        return new CorruptImageException(path, position, String.format(Locale.ROOT, format, arguments));
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
