package dev.dormouse.engine;

import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.Optional;

/// The right to change a VM: one operation at a time, over all processes. Ends with the process at the
/// latest.
final class VmLock implements AutoCloseable {
    private static final OfdLock.Range WHOLE = OfdLock.Range.ofByte(0);
    private final OfdLock lock;

    private VmLock(OfdLock lock) {
        this.lock = lock;
    }

    /// @param operation what the lock is taken for, for the message that somebody else gets
    /// @throws VmException if somebody else holds it
    static VmLock acquire(Vm vm, String operation) throws IOException {
        return acquire(vm, operation, Duration.ZERO);
    }

    /// As [#acquire(Vm, String)], but waits for the holder, at most for the time given.
    static VmLock acquire(Vm vm, String operation, Duration patience) throws IOException {
        long end = System.nanoTime() + patience.toNanos();
        while (true) {
            Optional<VmLock> lock = tryAcquire(vm, operation);
            if (lock.isPresent()) {
                return lock.get();
            }
            if (System.nanoTime() - end >= 0) {
                throw new VmException("vm %s: busy, %s; wait for it to end".formatted(vm.name(), holder(vm)));
            }
            sleep();
        }
    }

    static Optional<VmLock> tryAcquire(Vm vm, String operation) throws IOException {
        Path file = file(vm);
        if (!Files.exists(file)) {
            Files.write(file, new byte[0], StandardOpenOption.CREATE);
        }
        Optional<OfdLock> lock = OfdLock.tryExclusive(file, WHOLE);
        if (lock.isPresent()) {
            Files.writeString(
                    file,
                    "'%s' of process %d is running"
                            .formatted(operation, ProcessHandle.current().pid()));
        }
        return lock.map(VmLock::new);
    }

    /// {@return whether somebody holds the lock now}
    static boolean isHeld(Vm vm) throws IOException {
        Path file = file(vm);
        if (!Files.exists(file)) {
            return false;
        }
        Optional<OfdLock> lock = OfdLock.tryShared(file, WHOLE);
        lock.ifPresent(OfdLock::close);
        return lock.isEmpty();
    }

    @Override
    public void close() {
        lock.close();
    }

    private static Path file(Vm vm) {
        return vm.folder().resolve("lock");
    }

    private static String holder(Vm vm) {
        try {
            String holder = Files.readString(file(vm));
            return holder.isEmpty() ? "another operation is running" : holder;
        } catch (IOException _) {
            return "another operation is running";
        }
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
