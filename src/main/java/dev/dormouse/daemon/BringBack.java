package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.SuspendOptions;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Suspends what is awake when the host ends, and resumes that when it is back: `bring-back.json` in the home names it
/// meanwhile, written before the first suspend begins.
final class BringBack {
    private static final Logger LOG = LoggerFactory.getLogger(BringBack.class);
    private static final Set<String> AWAKE = Set.of("running", "restoring", "checkpointing");
    /// By a command without the daemon, which may end with the host as well.
    private static final String SUSPENDING = "suspending";
    private static final Set<Operation.Kind> PUTS_AWAY = EnumSet.of(Operation.Kind.SUSPEND, Operation.Kind.STOP);
    private static final long BUSY_MILLIS = 200;
    private static final Duration LOOK = Duration.ofMinutes(1);

    private final Engine engine;
    private final Operations operations;
    private final Vms vms;
    private final Path file;
    private boolean ends; // Guarded by this.

    BringBack(Engine engine, Operations operations, Vms vms) {
        this.engine = engine;
        this.operations = operations;
        this.vms = vms;
        file = file(engine.home());
    }

    private static Path file(Home home) {
        return home.root().resolve("bring-back.json");
    }

    @io.avaje.jsonb.Json
    record Names(List<String> vms) {}

    /// Suspends all VMs that are awake, or about to be, at the same time; none is woken from now on. What is done with
    /// a VM comes to its end first, where it cannot be called off.
    ///
    /// @param patience for all of them; what takes longer is left as it is
    void suspendAll(Duration patience) throws InterruptedException {
        operations.refuseWakes();
        long endNanos = System.nanoTime() + patience.toNanos();
        List<String> names;
        try {
            names = engine.names();
        } catch (IOException e) {
            LOG.error("no VM is suspended before the host ends: {}", ErrorText.of(e));
            return;
        }
        remember(names.stream().filter(this::isToBeBack).toList());
        List<Thread> suspending = names.stream() // One that hangs keeps no other from being suspended.
                .map(name -> Thread.ofVirtual().name("put away " + name).start(() -> suspendByThe(endNanos, name)))
                .toList();
        for (Thread vm : suspending) {
            vm.join(Duration.ofNanos(Math.max(0, endNanos - System.nanoTime())));
        }
    }

    private synchronized void remember(List<String> awake) {
        ends = true;
        try {
            write(awake);
        } catch (IOException e) {
            LOG.error("{}: not written, nothing will be brought back: {}", file, ErrorText.of(e));
        }
    }

    /// {@return whether the VM is awake, or somebody wakes it; not if somebody puts it away}
    private boolean isToBeBack(String name) {
        List<Operation> active = operations.active(name);
        boolean putAway = active.stream().anyMatch(operation -> PUTS_AWAY.contains(operation.kind()));
        return !putAway
                && (!active.isEmpty() || state(name).filter(AWAKE::contains).isPresent());
    }

    private void suspendByThe(long endNanos, String name) {
        try {
            awaitOperations(name, endNanos);
            while (state(name)
                    .filter(state -> AWAKE.contains(state) || state.equals(SUSPENDING))
                    .isPresent()) {
                Optional<Operation> suspend = vms.suspend(name, SuspendOptions.DEFAULT);
                suspend.ifPresent(operation -> await(operation, endNanos));
                Problem error = suspend.map(Operation::error).orElse(null);
                boolean busy = error != null && error.isOf(Problem.Kind.BUSY);
                if (!busy || System.nanoTime() - endNanos >= 0) {
                    return;
                }
                TimeUnit.MILLISECONDS.sleep(BUSY_MILLIS); // Of a command without the daemon.
            }
        } catch (IOException e) {
            LOG.error("vm {}: not suspended before the host ends: {}", name, ErrorText.of(e));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private void awaitOperations(String name, long endNanos) {
        for (Operation operation : operations.active(name)) {
            if (operation.kind() == Operation.Kind.CHECKPOINT || operation.isQueued()) {
                callOff(operation);
            }
            await(operation, endNanos);
        }
    }

    private static void callOff(Operation operation) {
        try {
            operation.cancel();
        } catch (ApiException _) {
            // It has begun meanwhile.
        }
    }

    /// Waits for the end of an operation; of a resume until its guest runs, for then it can be suspended.
    private static void await(Operation operation, long endNanos) {
        try {
            operation.awaitUsable(Duration.ofNanos(Math.max(0, endNanos - System.nanoTime())));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private Optional<String> state(String name) {
        try {
            return Optional.of(engine.status(name)).map(VmStatus::state);
        } catch (IOException e) {
            LOG.warn("{}", ErrorText.of(e));
            return Optional.empty();
        }
    }

    /// Resumes what was awake when the host ended. Each name goes from the file when its guest runs, or its resume has
    /// failed: what fails is tried once, what waits for its turn is not forgotten by a daemon that is killed.
    void resumeAll() {
        List<String> names;
        try {
            names = Json.parse(Names.class, Files.readString(file)).vms();
        } catch (NoSuchFileException _) {
            return;
        } catch (IOException | IllegalArgumentException e) {
            LOG.error("{}: nothing is brought back: {}", file, e.getMessage());
            return;
        }
        var begun = new LinkedHashMap<String, Operation>();
        for (String name : names) {
            try {
                if (state(name).filter("suspended"::equals).isPresent()) {
                    LOG.info("vm {}: was awake when the host ended, resuming it", name);
                    vms.resume(name, ResumeOptions.DEFAULT).ifPresent(resume -> begun.put(name, resume));
                }
            } catch (IOException e) {
                LOG.error("vm {}: not brought back: {}", name, ErrorText.of(e));
            }
        }
        Thread.ofVirtual().name("bring back").start(() -> forget(begun));
    }

    private void forget(Map<String, Operation> resumes) {
        try {
            var left = new ArrayList<>(resumes.keySet());
            for (var resume : resumes.entrySet()) {
                rewrite(left);
                while (!resume.getValue().awaitUsable(LOOK)) {
                    // It waits for its turn.
                }
                left.remove(resume.getKey());
            }
            rewrite(List.of());
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        } catch (IOException e) {
            LOG.error("{}: {}", file, ErrorText.of(e));
        }
    }

    /// The daemon ends, the host does not: what is not back yet stays named for the next daemon.
    synchronized void close() {
        ends = true;
    }

    /// Not when the host ends again: then it says what is awake now.
    private synchronized void rewrite(List<String> names) throws IOException {
        if (ends) {
            return;
        }
        if (names.isEmpty()) {
            Files.deleteIfExists(file);
        } else {
            write(names);
        }
    }

    private void write(List<String> names) throws IOException {
        byte[] text = (Json.write(new Names(names)) + "\n").getBytes(StandardCharsets.UTF_8);
        engine.home().storage().writeAtomically(file, text);
    }
}
