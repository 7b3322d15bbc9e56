package dev.dormouse.daemon;

import dev.dormouse.engine.Home;
import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// The right to be the daemon of a home: `daemon.lock` under it. Ends with the process at the latest, so a crash
/// leaves no stale lock.
final class DaemonLock implements AutoCloseable {
    private static final OfdLock.Range WHOLE = OfdLock.Range.ofByte(0);
    private final OfdLock lock;

    private DaemonLock(OfdLock lock) {
        this.lock = lock;
    }

    /// @throws ApiException if the home has a daemon already
    static DaemonLock acquire(Home home) throws IOException {
        Path file = home.root().resolve("daemon.lock");
        if (!Files.exists(file)) {
            Files.write(file, new byte[0], StandardOpenOption.CREATE);
        }
        OfdLock lock = OfdLock.tryExclusive(file, WHOLE)
                .orElseThrow(() -> new ApiException(
                        Problem.Kind.CONFLICT,
                        "home %s: has a daemon already, process %s; end that one first"
                                .formatted(home.root(), holder(file))));
        try {
            Files.writeString(file, Long.toString(ProcessHandle.current().pid()));
        } catch (IOException e) { // A full disk.
            lock.close();
            throw e;
        }
        return new DaemonLock(lock);
    }

    private static String holder(Path file) {
        try {
            String pid = Files.readString(file);
            return pid.isEmpty() ? "unknown" : pid;
        } catch (IOException _) {
            return "unknown";
        }
    }

    @Override
    public void close() {
        lock.close();
    }
}
