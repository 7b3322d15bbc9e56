package dev.dormouse.engine;

import dev.dormouse.engine.VmLock.Turn;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/// The way to the lock of a VM that another process may still be restoring: what needs all of the memory to
/// be there asks that process for haste and waits.
final class RestoreWait {
    private static final Duration RESTORE_PATIENCE = Duration.ofMinutes(10);
    private static final Duration END_PATIENCE = Duration.ofSeconds(5);

    private RestoreWait() {}

    /// For an operation that can be cancelled while it waits, before it has changed anything.
    static VmLock lock(Vm vm, String operation, OperationListener listener, Cancellation cancellation)
            throws IOException {
        return lock(vm, operation, listener, () -> {
            cancellation.check("vm " + vm.name());
            return true;
        });
    }

    /// @param turn run again and again while the restore goes on
    static VmLock lock(Vm vm, String operation, OperationListener listener, Turn turn) throws IOException {
        Optional<VmLock> lock = VmLock.tryAcquire(vm, operation);
        if (lock.isPresent()) {
            return lock.get();
        }
        if (vm.record().state() != VmState.RESTORING && vm.restoreRecord().isEmpty()) {
            // A restore may have taken its record away, and only make huge pages.
            RestoreStatus.askForHaste(vm.sockets());
            return VmLock.acquire(vm, operation, END_PATIENCE);
        }
        listener.step("waiting until the VM is restored");
        RestoreStatus.askForHaste(vm.sockets());
        return VmLock.acquire(vm, operation, RESTORE_PATIENCE, turn);
    }
}
