package dev.dormouse.daemon;

import dev.dormouse.engine.Home;
import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.stream.Stream;

/// The right to be the daemon of a home: `daemon.lock` under it. Ends with the process at the latest, so a crash
/// leaves no stale lock.
final class DaemonLock implements AutoCloseable {
    private static final OfdLock.Range WHOLE = OfdLock.Range.ofByte(0);
    private final OfdLock lock;
    private final Path file;

    private DaemonLock(OfdLock lock, Path file) {
        this.lock = lock;
        this.file = file;
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
        return Optional.of(new DaemonLock(lock.get(), file));
    }

    /// {@return what is said to a daemon whose home has another one}
    static ApiException refusal(Home home) {
        Holder holder = holder(home);
        return new ApiException(
                Problem.Kind.CONFLICT,
                "home %s: has a daemon already, process %s%s; end that one first, 'dormouse serve --end' does that"
                        .formatted(
                                home.root(),
                                holder.pid.isEmpty() ? "unknown" : holder.pid,
                                isLost(home, holder)
                                        ? ", whose socket %s ".formatted(holder.socket) + where(holder)
                                        : ""));
    }

    private static String where(Holder holder) {
        return Files.exists(Path.of(holder.socket)) ? "is in another runtime folder" : "is gone";
    }

    /// Says where the daemon is served, so that others can tell one whose socket is gone from one that starts or ends.
    void serves(Path socket) {
        write(ProcessHandle.current().pid() + "\n" + socket);
    }

    /// Says that it is not served any more, or not yet.
    void servesNot() {
        write(Long.toString(ProcessHandle.current().pid()));
    }

    private void write(String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException _) {
            // On a full disk others wait for longer before they are refused; the lock holds.
        }
    }

    /// {@return whether the home has a daemon that serves, but not where others look for it}
    static boolean isLost(Home home) throws IOException {
        return OfdLock.isHeld(file(home), WHOLE) && isLost(home, holder(home));
    }

    private static boolean isLost(Home home, Holder holder) {
        Path socket = DaemonClient.socket(home);
        return !holder.socket.isEmpty() && (!holder.socket.equals(socket.toString()) || !Files.exists(socket));
    }

    /// {@return the process that is the daemon of the home, as its lock has it; empty if there is none}
    static Optional<ProcessHandle> process(Home home) throws IOException {
        Path file = file(home);
        String pid = holder(home).pid;
        if (pid.isEmpty() || !Files.exists(file) || !OfdLock.isHeld(file, WHOLE) || !hasOpen(pid, file)) {
            return Optional.empty();
        }
        return ProcessHandle.of(Long.parseLong(pid));
    }

    /// The number may be that of a daemon before, which another program has by now.
    private static boolean hasOpen(String pid, Path file) throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc", pid, "fd"))) {
            return descriptors.anyMatch(descriptor -> leadsTo(descriptor, file));
        } catch (NoSuchFileException | AccessDeniedException | UncheckedIOException _) {
            return false; // The last one where the process ends meanwhile.
        }
    }

    private static boolean leadsTo(Path descriptor, Path file) {
        try {
            return Files.isSameFile(descriptor, file);
        } catch (IOException _) {
            return false; // Closed meanwhile.
        }
    }

    private static Path file(Home home) {
        return home.root().resolve("daemon.lock");
    }

    /// Who holds the lock.
    ///
    /// @param pid empty if it is not known
    /// @param socket where it serves; empty while it does not
    private record Holder(String pid, String socket) {}

    private static Holder holder(Home home) {
        try {
            String[] lines = Files.readString(file(home)).split("\n", 2);
            return new Holder(lines[0].matches("[0-9]{1,18}") ? lines[0] : "", lines.length > 1 ? lines[1] : "");
        } catch (IOException _) {
            return new Holder("", "");
        }
    }

    @Override
    public void close() {
        lock.close();
    }
}
