package dev.dormouse.daemon;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.MemorySize;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How much memory of the host the VMs that are awake may have. Who wants to wake one makes room first: of those that
/// nobody uses the one goes that was used least recently. Any thread.
final class Room {
    private static final Logger LOG = LoggerFactory.getLogger(Room.class);
    private static final Duration SUSPEND_PATIENCE = Duration.ofMinutes(5);

    /// Suspends a VM that nobody uses.
    @FunctionalInterface
    interface Suspension {
        /// @return the operation
        Operation begin(String vm) throws IOException;
    }

    private final long limitBytes;
    private final Engine engine;
    private final Operations operations;
    private final Activity activity;
    private final Suspension suspension;
    private final Set<String> reserved = new HashSet<>(); // Guarded by this: VMs that are about to be awake.

    /// @param limitBytes 0 for no limit
    Room(long limitBytes, Engine engine, Operations operations, Activity activity, Suspension suspension) {
        this.limitBytes = limitBytes;
        this.engine = engine;
        this.operations = operations;
        this.activity = activity;
        this.suspension = suspension;
    }

    /// Makes room for a VM, which keeps it until [#release]; being awake it needs none. Whoever waits for a suspend
    /// holds up nobody else.
    ///
    /// @param waiting its operation, which says what it waits for
    /// @throws ApiException if there is none, and nobody can be suspended for it
    void reserve(String name, Operation waiting) throws IOException {
        var tried = new HashSet<String>();
        while (true) {
            Optional<String> next = reserveOrFind(name, tried);
            if (next.isEmpty()) {
                return;
            }
            LOG.info("vm {}: suspending it to make room for vm {}", next.get(), name);
            waiting.step("waiting for the memory of vm " + next.get());
            if (!suspend(next.get())) {
                tried.add(next.get()); // Another one may be had.
            }
        }
    }

    /// {@return the VM to suspend first; empty if the room is reserved now}
    private synchronized Optional<String> reserveOrFind(String name, Set<String> tried) throws IOException {
        if (limitBytes > 0) {
            long needed = engine.status(name).memoryBytes();
            List<VmStatus> others = awakeBut(name);
            if (bytes(others) + needed > limitBytes) {
                return Optional.of(leastRecentlyUsed(name, needed, others, tried));
            }
        }
        reserved.add(name);
        return Optional.empty();
    }

    synchronized void release(String name) {
        reserved.remove(name);
    }

    private static long bytes(List<VmStatus> vms) {
        return vms.stream().mapToLong(VmStatus::memoryBytes).sum();
    }

    private List<VmStatus> awakeBut(String except) throws IOException {
        var awake = new ArrayList<VmStatus>();
        for (String name : engine.names()) {
            if (name.equals(except)) {
                continue;
            }
            try {
                VmStatus vm = engine.status(name);
                if (reserved.contains(name) || HostUse.isAwake(vm)) {
                    awake.add(vm);
                }
            } catch (IOException e) { // Removed meanwhile, or damaged: that is no reason to keep others asleep.
                LOG.warn("vm {}: not counted for the memory limit: {}", name, ErrorText.of(e));
            }
        }
        return awake;
    }

    private String leastRecentlyUsed(String name, long needed, List<VmStatus> others, Set<String> tried)
            throws ApiException {
        long now = System.nanoTime();
        VmStatus oldest = null;
        for (VmStatus vm : others) {
            boolean older = oldest == null || lastUsed(vm, now) < lastUsed(oldest, now);
            if (older && !tried.contains(vm.name()) && isFree(vm)) {
                oldest = vm;
            }
        }
        if (oldest == null) {
            throw new ApiException(
                    Problem.Kind.CONFLICT,
                    "vm %s: no room: it needs %s, and of the %s of the memory limit %s belong to VMs that are pinned, have clients, are busy%s; suspend one of them or raise --memory-limit"
                            .formatted(
                                    name,
                                    MemorySize.format(needed),
                                    MemorySize.format(limitBytes),
                                    MemorySize.format(bytes(others)),
                                    tried.isEmpty()
                                            ? ""
                                            : " or could not be suspended (" + String.join(", ", tried) + ")"));
        }
        return oldest.name();
    }

    private boolean isFree(VmStatus vm) {
        return vm.state().equals("running")
                && activity.clients(vm.name()) == 0
                && operations.active(vm.name()).isEmpty()
                && !isExcluded(vm.name());
    }

    private boolean isExcluded(String vm) {
        try {
            VmSettings settings = VmSettings.read(engine.home(), vm);
            boolean asks = settings.idle() != null && settings.idle().askGuest();
            return settings.pinned() || (asks && engine.staysAwake(vm));
        } catch (IOException e) { // It may be.
            LOG.warn("vm {}: not suspended to make room: {}", vm, ErrorText.of(e));
            return true;
        }
    }

    /// {@return when a client last left it, or it was never used by one; smaller is longer ago}
    private long lastUsed(VmStatus vm, long now) {
        return activity.lastNanos(vm.name(), now - Long.MAX_VALUE / 2) - now;
    }

    /// {@return whether that went well; not if a client came to the VM, somebody else works on it, or it failed}
    private boolean suspend(String vm) throws ApiException {
        try {
            Operation suspend = suspension.begin(vm);
            boolean ended = suspend.awaitEnd(SUSPEND_PATIENCE);
            Problem error = suspend.error();
            if (ended && error == null) {
                return true;
            }
            LOG.warn(
                    "vm {}: not suspended to make room: {}",
                    vm,
                    error == null ? "it takes more than %d s".formatted(SUSPEND_PATIENCE.toSeconds()) : error.detail());
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new ApiException(Problem.Kind.UNAVAILABLE, "the daemon is being stopped");
        } catch (IOException e) {
            LOG.warn("vm {}: not suspended to make room: {}", vm, ErrorText.of(e));
        }
        return false;
    }
}
