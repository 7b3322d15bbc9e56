package dev.dormouse.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Arrays;
import java.util.Set;

/// The content of a key file: what opens encrypted images. Its bytes are used as they are, and are never stretched:
/// they must be random, not a passphrase, as from `head -c 32 /dev/urandom`. Immutable.
public final class ImageKey {
    public static final int BYTES_MIN = 32;
    public static final int BYTES_MAX = 64 << 10;
    private static final Set<PosixFilePermission> OWNERS =
            Set.of(PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE);

    private final Path file;
    private final byte[] bytes;

    private ImageKey(Path file, byte[] bytes) {
        this.file = file;
        this.bytes = bytes;
    }

    /// Reads a key file.
    ///
    /// @throws ImageKeyException if it is missing, too short or too long, or open to others
    public static ImageKey read(Path file) throws IOException {
        try {
            if (!Files.isRegularFile(file)) {
                throw new ImageKeyException(file + (Files.exists(file) ? ": is no file" : ": key file not found")
                        + ", give the file of the image's key");
            }
            if (!OWNERS.containsAll(Files.getPosixFilePermissions(file))) {
                throw new ImageKeyException(
                        file + ": others than its owner may use the key file, run 'chmod 600' on it");
            }
            return new ImageKey(file, content(file));
        } catch (NoSuchFileException e) {
            throw new ImageKeyException(file + ": key file not found, give the file of the image's key", e);
        }
    }

    /// {@return a key that stands in no file}
    static ImageKey of(String name, byte[] bytes) {
        return new ImageKey(Path.of(name), bytes.clone());
    }

    private static byte[] content(Path file) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(BYTES_MAX + 1);
        try (SeekableByteChannel channel = Files.newByteChannel(file)) {
            while (bytes.hasRemaining() && channel.read(bytes) >= 0) {
                // Until it is full or the file ends.
            }
        }
        if (bytes.position() < BYTES_MIN || bytes.position() > BYTES_MAX) {
            throw new ImageKeyException("%s: key file has %s bytes, %d to %d random ones are allowed"
                    .formatted(
                            file,
                            bytes.hasRemaining() ? bytes.position() : "more than " + BYTES_MAX,
                            BYTES_MIN,
                            BYTES_MAX));
        }
        byte[] content = Arrays.copyOf(bytes.array(), bytes.position());
        Arrays.fill(bytes.array(), (byte) 0);
        return content;
    }

    public Path file() {
        return file;
    }

    byte[] bytes() {
        return bytes;
    }

    /// Says which file, never what is in it.
    @Override
    public String toString() {
        return "key of " + file;
    }
}
