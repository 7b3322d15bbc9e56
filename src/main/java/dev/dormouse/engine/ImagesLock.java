package dev.dormouse.engine;

import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/// The right to decide that an image is not needed, or to begin to need one: over all VMs and processes.
/// Held for moments only, inside of a [VmLock] or without one.
final class ImagesLock implements AutoCloseable {
    private static final OfdLock.Range WHOLE = OfdLock.Range.ofByte(0);
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private final OfdLock lock;

    private ImagesLock(OfdLock lock) {
        this.lock = lock;
    }

    static ImagesLock acquire(Home home) throws IOException {
        Path file = home.root().resolve("images.lock");
        try {
            Files.createFile(file);
        } catch (FileAlreadyExistsException _) {
            // Somebody was first.
        }
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            Optional<OfdLock> lock = OfdLock.tryExclusive(file, WHOLE);
            if (lock.isPresent()) {
                return new ImagesLock(lock.get());
            }
            if (System.nanoTime() - end >= 0) {
                throw new VmException("%s: held by another process for %d s, try again when that has ended"
                        .formatted(file, PATIENCE.toSeconds()));
            }
            VmLock.sleep();
        }
    }

    @Override
    public void close() {
        lock.close();
    }
}
