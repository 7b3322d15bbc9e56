package dev.dormouse.engine;

import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// The right to change a VM: one operation at a time, over all processes. Ends with the process at the
/// latest.
final class VmLock implements AutoCloseable {
    private static final OfdLock.Range WHOLE = OfdLock.Range.ofByte(0);
    private static final int HOLDER_TRIES = 5;
    /// An operation that the VM's state does not allow has the lock until it has found that out. Whoever comes
    /// just then is not to fail for it.
    private static final Duration GRACE = Duration.ofMillis(500);
    /// Operations that nobody asked for: others wait for their end instead of being told.
    static final String STANDBY = "standby";
    static final String SETTLE = "settle";
    private static final List<String> UNASKED = List.of(STANDBY, SETTLE, Rehearsal.OPERATION);
    private static final long UNASKED_NANOS = TimeUnit.SECONDS.toNanos(35); // Longer than a QEMU is waited for.
    private final OfdLock lock;
    private final Path file;

    private VmLock(OfdLock lock, Path file) {
        this.lock = lock;
        this.file = file;
    }

    /// @param operation what the lock is taken for, for the message that somebody else gets
    /// @throws VmException if somebody else holds it
    static VmLock acquire(Vm vm, String operation) throws IOException {
        return acquire(vm, operation, GRACE);
    }

    /// As [#acquire(Vm, String)], but waits for the holder, at most for the time given.
    static VmLock acquire(Vm vm, String operation, Duration patience) throws IOException {
        return acquire(vm, operation, patience, () -> true);
    }

    /// What somebody who waits for a lock does again and again meanwhile.
    @FunctionalInterface
    interface Turn {
        /// {@return whether to wait on}
        boolean run() throws IOException;
    }

    /// As [#acquire(Vm, String, Duration)], and runs the turn meanwhile, until it does not want to wait on.
    static VmLock acquire(Vm vm, String operation, Duration patience, Turn turn) throws IOException {
        long end = System.nanoTime() + patience.toNanos();
        boolean unasked = false;
        while (true) {
            Optional<VmLock> lock = tryAcquire(vm, operation);
            if (lock.isPresent()) {
                return lock.get();
            }
            if (isUnasked(vm)) {
                end += unasked ? 0 : UNASKED_NANOS;
                unasked = true; // Its name may be gone before its lock is.
                wish(vm); // Again, too: whoever has just begun takes the wishes of before away.
            }
            if (System.nanoTime() - end >= 0 || !turn.run()) {
                throw new BusyException("vm %s: busy, %s; wait for it to end".formatted(vm.name(), holder(vm)));
            }
            sleep();
        }
    }

    static Optional<VmLock> tryAcquire(Vm vm, String operation) throws IOException {
        Optional<VmLock> lock = tryAcquire(vm.folder(), operation);
        if (lock.isPresent()) {
            Files.deleteIfExists(wantedFile(vm));
        }
        return lock;
    }

    /// {@return whether somebody waits for an operation that nobody asked for; for the one that holds the lock}
    static boolean isWanted(Vm vm) throws IOException {
        return Files.exists(wantedFile(vm));
    }

    private static void wish(Vm vm) throws IOException {
        if (!Files.exists(wantedFile(vm))) {
            Files.write(wantedFile(vm), new byte[0]);
        }
    }

    private static Path wantedFile(Vm vm) throws IOException {
        return vm.sockets().runtime().resolve("lock-wanted");
    }

    /// As [#tryAcquire(Vm, String)], of a VM that may have no state yet.
    static Optional<VmLock> tryAcquire(Path vmFolder, String operation) throws IOException {
        Path file = file(vmFolder);
        if (!Files.exists(file)) {
            Files.write(file, new byte[0], StandardOpenOption.CREATE);
        }
        Optional<OfdLock> lock = OfdLock.tryExclusive(file, WHOLE);
        if (lock.isPresent()) {
            announce(file, operation);
        }
        return lock.map(held -> new VmLock(held, file));
    }

    private static void announce(Path file, String operation) {
        try {
            Files.writeString(
                    file,
                    "'%s' of process %d is running"
                            .formatted(operation, ProcessHandle.current().pid()));
        } catch (IOException _) {
            // The lock holds without our name in it; on a full disk a VM must still be stopped or removed.
        }
    }

    /// {@return whether somebody holds the lock now}
    static boolean isHeld(Vm vm) throws IOException {
        Path file = file(vm);
        return Files.exists(file) && OfdLock.isHeld(file, WHOLE);
    }

    /// Takes our name out first, lest the next holder be taken for us until it has written its own.
    @Override
    public void close() {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
            channel.truncate(0);
        } catch (IOException _) {
            // Removed with its VM, or only a text that is out of date.
        }
        lock.close();
    }

    private static Path file(Vm vm) {
        return file(vm.folder());
    }

    private static Path file(Path vmFolder) {
        return vmFolder.resolve("lock");
    }

    /// Whoever has a QEMU wait for a resume is waited for: it is over when that QEMU has started.
    private static boolean isUnasked(Vm vm) {
        try {
            String holder = Files.readString(file(vm));
            return UNASKED.stream().anyMatch(operation -> holder.startsWith("'" + operation + "'"));
        } catch (IOException _) {
            return false;
        }
    }

    private static String holder(Vm vm) throws VmException {
        for (int i = 0; i < HOLDER_TRIES; i++) {
            try {
                String holder = Files.readString(file(vm));
                if (!holder.isEmpty()) {
                    return holder;
                }
            } catch (IOException _) {
                break;
            }
            sleep(); // It has the lock and is about to write its name.
        }
        return "another operation is running";
    }

    static void sleep() throws VmException {
        try {
            Thread.sleep(20);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmException("interrupted while waiting for the lock of a VM", e);
        }
    }
}
