package dev.dormouse.daemon;

import dev.dormouse.engine.Home;
import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/// The right to be the daemon of a home: `daemon.lock` under it. Ends with the process at the latest, so a crash
/// leaves no stale lock.
final class DaemonLock implements AutoCloseable {
    private static final OfdLock.Range WHOLE = OfdLock.Range.ofByte(0);
    private final OfdLock lock;

    private DaemonLock(OfdLock lock) {
        this.lock = lock;
    }

    /// {@return the lock; empty if the home has a daemon already}
    static Optional<DaemonLock> tryAcquire(Home home) throws IOException {
        Path file = file(home);
        if (!Files.exists(file)) {
            Files.write(file, new byte[0], StandardOpenOption.CREATE);
        }
        Optional<OfdLock> lock = OfdLock.tryExclusive(file, WHOLE);
        if (lock.isEmpty()) {
            return Optional.empty();
        }
        try {
            Files.writeString(file, Long.toString(ProcessHandle.current().pid()));
        } catch (IOException e) { // A full disk.
            lock.get().close();
            throw e;
        }
        return Optional.of(new DaemonLock(lock.get()));
    }

    /// {@return what is said to a daemon whose home has another one}
    static ApiException refusal(Home home) {
        return new ApiException(
                Problem.Kind.CONFLICT,
                "home %s: has a daemon already, process %s; end that one first, 'dormouse serve --end' does that"
                        .formatted(home.root(), holder(home)));
    }

    private static Path file(Home home) {
        return home.root().resolve("daemon.lock");
    }

    private static String holder(Home home) {
        try {
            String pid = Files.readString(file(home));
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
