package dev.dormouse.daemon;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.MemorySize;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How much memory of the host the VMs that are awake may have. Who wants to wake one makes room first: of those that
/// nobody uses, that rest and have been awake for as long as they are to be, the one goes that was used least recently.
/// Any thread.
final class Room {
    private static final Logger LOG = LoggerFactory.getLogger(Room.class);
    private static final Duration SUSPEND_PATIENCE = Duration.ofMinutes(5);
    private static final Duration REST_PATIENCE = Duration.ofSeconds(15);
    private static final long LOOK_MILLIS = 500;
    private static final int RESTING_PERCENT = 10; // Of a processor.

    /// Suspends a VM that nobody uses.
    @FunctionalInterface
    interface Suspension {
        /// @return the operation
        Operation begin(String vm) throws IOException;
    }

    /// The room that is missing.
    ///
    /// @param free who may be suspended; none if nothing is missing
    private record Shortage(long bytes, List<VmStatus> free) {}

    private final long limitBytes;
    private final Engine engine;
    private final Operations operations;
    private final Activity activity;
    private final Function<List<String>, Map<String, Instant>> lastClients;
    private final Suspension suspension;
    private final Set<String> reserved = new HashSet<>(); // Guarded by this: VMs that are about to be awake.

    /// @param limitBytes 0 for no limit
    /// @param lastClients when clients of VMs last went; asked for those that have had none since the start,
    ///     and may take some seconds
    Room(
            long limitBytes,
            Engine engine,
            Operations operations,
            Activity activity,
            Function<List<String>, Map<String, Instant>> lastClients,
            Suspension suspension) {
        this.limitBytes = limitBytes;
        this.engine = engine;
        this.operations = operations;
        this.activity = activity;
        this.lastClients = lastClients;
        this.suspension = suspension;
    }

    /// Makes room for a VM, which keeps it until [#release]; being awake it needs none. Whoever waits for a suspend, or
    /// for a VM that rests, holds up nobody else. Nobody is suspended before there are enough who can be.
    ///
    /// @param waiting its operation, which says what it waits for
    /// @throws ApiException if there is none, and nobody can be suspended for it
    void reserve(String name, Operation waiting) throws IOException {
        var tried = new HashSet<String>();
        long end = System.nanoTime() + REST_PATIENCE.toNanos();
        while (true) {
            Shortage shortage = reserveOrFind(name, tried);
            if (shortage.free().isEmpty()) {
                return;
            }
            Optional<String> next = firstOfEnough(shortage, tried);
            if (next.isPresent()) {
                LOG.info("vm {}: suspending it to make room for vm {}", next.get(), name);
                waiting.step("waiting for the memory of vm " + next.get());
                if (suspend(next.get())) {
                    end = System.nanoTime() + REST_PATIENCE.toNanos(); // Others may have begun to work meanwhile.
                } else {
                    tried.add(next.get()); // Another one may be had.
                }
            } else if (System.nanoTime() - end >= 0 || waiting.isCancelled()) {
                throw noRoom(name, tried);
            } else {
                waiting.step("waiting for a VM that rests, to have its memory");
            }
        }
    }

    /// {@return what is missing; if nothing is, the room is reserved now}
    private synchronized Shortage reserveOrFind(String name, Set<String> tried) throws IOException {
        if (limitBytes > 0) {
            long needed = engine.status(name).memoryBytes();
            if (needed > limitBytes) { // Nobody is suspended for that.
                throw new ApiException(
                        Problem.Kind.CONFLICT,
                        "vm %s: no room: it needs %s, which is more than the memory limit of %s; raise --memory-limit"
                                .formatted(name, MemorySize.format(needed), MemorySize.format(limitBytes)));
            }
            List<VmStatus> others = awakeBut(name);
            long missing = bytes(others) + needed - limitBytes;
            if (missing > 0) {
                List<VmStatus> free = others.stream()
                        .filter(vm -> !tried.contains(vm.name()) && isFree(vm))
                        .toList();
                if (bytes(free) < missing) {
                    throw noRoom(name, tried);
                }
                return new Shortage(missing, free);
            }
        }
        reserved.add(name);
        return new Shortage(0, List.of());
    }

    /// Those who want to stay are asked once, and count as tried.
    ///
    /// {@return who goes first, the one that was used least recently; empty if those that rest and do not
    /// want to stay are too few}
    private Optional<String> firstOfEnough(Shortage shortage, Set<String> tried) throws ApiException {
        List<VmStatus> resting =
                resting(shortage.free().stream().filter(vm -> !isYoung(vm)).toList());
        if (bytes(resting) < shortage.bytes()) {
            return Optional.empty();
        }
        var enough = new ArrayList<VmStatus>();
        for (VmStatus vm : leastRecentlyUsedFirst(resting)) {
            if (wantsToStay(vm.name())) {
                tried.add(vm.name());
            } else {
                enough.add(vm);
            }
            if (bytes(enough) >= shortage.bytes()) {
                return Optional.of(enough.getFirst().name());
            }
        }
        return Optional.empty();
    }

    /// {@return those that rest, for which it looks for a moment at what they do}
    private static List<VmStatus> resting(List<VmStatus> vms) throws ApiException {
        long[] before = vms.stream().mapToLong(Room::cpuNanos).toArray();
        try {
            TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new ApiException(Problem.Kind.UNAVAILABLE, "the daemon is being stopped");
        }
        var resting = new ArrayList<VmStatus>();
        for (int i = 0; i < before.length; i++) {
            long usedNanos = cpuNanos(vms.get(i)) - before[i];
            if (usedNanos * 100 <= TimeUnit.MILLISECONDS.toNanos(LOOK_MILLIS) * RESTING_PERCENT) {
                resting.add(vms.get(i));
            }
        }
        return resting;
    }

    private static long cpuNanos(VmStatus vm) {
        return vm.pid() == null ? 0 : HostUse.cpuNanos(vm.pid()).orElse(0);
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

    private ApiException noRoom(String name, Set<String> tried) throws IOException {
        return new ApiException(
                Problem.Kind.CONFLICT,
                "vm %s: no room: it needs %s, and of the %s of the memory limit %s belong to VMs, too many of which are pinned, have clients, work, have just woken, are busy%s; suspend one of them or raise --memory-limit"
                        .formatted(
                                name,
                                MemorySize.format(engine.status(name).memoryBytes()),
                                MemorySize.format(limitBytes),
                                MemorySize.format(bytes(awakeBut(name))),
                                tried.isEmpty()
                                        ? ""
                                        : " or could not be suspended (" + String.join(", ", tried) + ")"));
    }

    private boolean isFree(VmStatus vm) {
        return vm.state().equals("running")
                && activity.clients(vm.name()) == 0
                && operations.active(vm.name()).isEmpty()
                && !isPinned(vm.name());
    }

    private boolean isPinned(String vm) {
        try {
            return VmSettings.read(engine.home(), vm).pinned();
        } catch (IOException e) { // It may be.
            LOG.warn("vm {}: not suspended to make room: {}", vm, ErrorText.of(e));
            return true;
        }
    }

    /// {@return whether it is to stay awake for a while yet} The age of its state counts, too: the daemon may have
    /// been started since. But a checkpoint makes its state young.
    private boolean isYoung(VmStatus vm) {
        try {
            long now = System.nanoTime();
            long seenNanos = vm.pid() == null ? 0 : activity.awakeNanos(vm.name(), vm.pid(), now);
            long awakeNanos = Math.max(seenNanos, nanosSince(Instant.parse(vm.since())));
            return awakeNanos
                    < TimeUnit.SECONDS.toNanos(
                            VmSettings.read(engine.home(), vm.name()).awakeSeconds());
        } catch (IOException e) { // It may be.
            LOG.warn("vm {}: not suspended to make room: {}", vm.name(), ErrorText.of(e));
            return true;
        }
    }

    private boolean wantsToStay(String vm) {
        try {
            return VmSettings.read(engine.home(), vm).asksGuest() && engine.staysAwake(vm);
        } catch (IOException e) { // It may.
            LOG.warn("vm {}: not suspended to make room: {}", vm, ErrorText.of(e));
            return true;
        }
    }

    private List<VmStatus> leastRecentlyUsedFirst(List<VmStatus> vms) {
        Map<String, Instant> known = lastClients.apply(vms.stream()
                .map(VmStatus::name)
                .filter(name -> !activity.knows(name))
                .toList());
        Map<String, Long> unused =
                vms.stream().collect(Collectors.toMap(VmStatus::name, vm -> unusedNanos(vm, known.get(vm.name()))));
        return vms.stream()
                .sorted(Comparator.comparingLong((VmStatus vm) -> unused.getOrDefault(vm.name(), 0L))
                        .reversed())
                .toList();
    }

    /// {@return for how long no client has used it; since it is awake if none has}
    ///
    /// @param lastClient when its last client went, before the daemon was started; null if that is not known
    private long unusedNanos(VmStatus vm, @Nullable Instant lastClient) {
        long awakeNanos = nanosSince(Instant.parse(vm.since()));
        if (activity.knows(vm.name())) {
            long now = System.nanoTime();
            return Math.min(awakeNanos, now - activity.lastNanos(vm.name(), now));
        }
        return lastClient == null ? awakeNanos : Math.min(awakeNanos, nanosSince(lastClient));
    }

    private static long nanosSince(Instant time) {
        return Math.max(0, Duration.between(time, Instant.now()).toNanos());
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
