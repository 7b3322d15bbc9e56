package dev.dormouse.daemon;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/// Sees to it that a VM is awake for a client that wants to reach it. Any thread, which waits.
final class Wake {
    private static final Duration PATIENCE = Duration.ofMinutes(2);
    private static final long LOOK_MILLIS = 50;

    private final Vms vms;
    private final Operations operations;
    private final Map<String, Integer> waiting = new ConcurrentHashMap<>(); // How many, by the VM.

    Wake(Vms vms, Operations operations) {
        this.vms = vms;
        this.operations = operations;
    }

    /// Returns when the guest runs. Whoever comes while it wakes waits for the same operation.
    ///
    /// @throws IOException that says why the VM cannot be reached. One that is stopped is not booted, and a crashed
    ///     one not woken: what is to become of its files a person decides
    void await(String name) throws IOException, InterruptedException {
        waiting.merge(name, 1, Integer::sum);
        boolean awake = false;
        try {
            awaitAwake(name);
            awake = true;
        } finally {
            waiting.computeIfPresent(name, (_, count) -> count == 1 ? null : (Integer) (count - 1));
            if (!awake) {
                vms.abandonWake(name, () -> !waiting.containsKey(name));
            }
        }
    }

    private void awaitAwake(String name) throws IOException, InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!isAwake(name)) {
            if (System.nanoTime() - end >= 0) {
                throw new ApiException(
                        Problem.Kind.BUSY,
                        "vm %s: it did not wake within %d s, try again".formatted(name, PATIENCE.toSeconds()));
            }
        }
    }

    /// Looks once, and does what brings the VM nearer to being awake.
    private boolean isAwake(String name) throws IOException, InterruptedException {
        List<Operation> active = operations.active(name);
        if (!active.isEmpty() && active.getLast().kind() != Operation.Kind.RESUME) {
            return awaitOther(active.getLast());
        }
        if (!active.isEmpty() && !active.getLast().guestRuns()) {
            vms.raise(active.getLast());
            return resumed(active.getLast()); // Also one that is stalled: its guest does not run yet.
        }
        VmView vm = vms.view(name);
        switch (vm.state()) {
            case "running", "stalled" -> {
                return true;
            }
            case "suspended", "orphaned", "interrupted" -> {
                return resume(name);
            }
            case "restoring" -> {
                Optional<Operation> ours = operations.active(name, Operation.Kind.RESUME);
                if (ours.isPresent()) {
                    return resumed(ours.get());
                }
                if (vms.guestRunsElsewhere(name)) {
                    return true;
                }
            }
            case "suspending", "checkpointing" -> {
                // By another process; that will pass.
            }
            case "stopped" ->
                throw new ApiException(
                        Problem.Kind.CONFLICT, "vm %s: is stopped, 'dormouse start %s' boots it".formatted(name, name));
            case "crashed" ->
                throw new ApiException(
                        Problem.Kind.CONFLICT,
                        "vm %s: is crashed and not woken by itself: 'dormouse start %s' boots its newest files, 'dormouse resume --discard-changes %s' goes back to its image"
                                .formatted(name, name, name));
            default ->
                throw new ApiException(
                        Problem.Kind.CONFLICT, "vm %s: is %s: %s".formatted(name, vm.state(), vm.reason()));
        }
        TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
        return false;
    }

    /// A checkpoint leaves the guest running but for a moment; a suspend, start or stop is waited for.
    private static boolean awaitOther(Operation other) throws InterruptedException {
        var _ = other.awaitEnd(PATIENCE);
        return false;
    }

    private boolean resume(String name) throws IOException, InterruptedException {
        Optional<Operation> begun;
        try {
            begun = vms.wake(name);
        } catch (ApiException e) {
            if (e.kind() != Problem.Kind.BUSY) {
                throw e;
            }
            return false; // Somebody was faster with something else.
        }
        return begun.isPresent() && resumed(begun.get());
    }

    private static boolean resumed(Operation resume) throws IOException, InterruptedException {
        boolean usable = resume.awaitUsable(PATIENCE);
        Problem error = resume.error();
        if (resume.isAbandoned()) {
            return false; // Of others, who went just before.
        }
        if (error != null) {
            throw new ApiException(Problem.Kind.CONFLICT, error.detail());
        }
        return usable;
    }
}
