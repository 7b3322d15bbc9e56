package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.base.Parallel;
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
import java.time.temporal.ChronoUnit;
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
    /// By a command without the daemon, which may end with the host as well.
    private static final String SUSPENDING = "suspending";
    /// Their guests wait for a page or a disk, which may be had some time later.
    private static final Set<String> WAITING = Set.of("orphaned", "stalled");
    private static final Set<Operation.Kind> PUTS_AWAY = EnumSet.of(Operation.Kind.SUSPEND, Operation.Kind.STOP);
    private static final Duration BUSY_PAUSE = Duration.ofMillis(200);
    private static final Duration WAITING_PAUSE = Duration.ofSeconds(10);
    private static final Duration NEVER = ChronoUnit.FOREVER.getDuration();
    private static final long LOOK_MILLIS = 1000;

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
    /// @param patience for all of them; what takes longer is left as it is, which the log says
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
        remember(Parallel.map(names, name -> Optional.of(name).filter(this::isToBeBack)).stream()
                .flatMap(Optional::stream)
                .toList());
        List<Thread> suspending = names.stream() // One that hangs keeps no other from being suspended.
                .map(name -> Thread.ofVirtual().name("put away " + name).start(() -> suspendByThe(endNanos, name)))
                .toList();
        for (Thread vm : suspending) {
            vm.join(left(endNanos));
        }
        Parallel.map(names, this::awake).stream()
                .flatMap(Optional::stream)
                .filter(vm -> vm.pid() != null)
                .forEach(vm -> LOG.error(
                        "vm {}: {}, not suspended before the host ends; its memory is lost if that ends process {}",
                        vm.name(),
                        vm.state(),
                        vm.pid()));
    }

    private static Duration left(long endNanos) {
        return Duration.ofNanos(Math.max(0, endNanos - System.nanoTime()));
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
                && (!active.isEmpty()
                        || awake(name)
                                .filter(vm -> !vm.state().equals(SUSPENDING))
                                .isPresent());
    }

    private Optional<VmStatus> awake(String name) {
        return status(name).filter(HostUse::isAwake);
    }

    private void suspendByThe(long endNanos, String name) {
        try {
            Duration pause = Duration.ZERO;
            while (pause.compareTo(left(endNanos)) < 0) {
                TimeUnit.MILLISECONDS.sleep(pause.toMillis());
                awaitOperations(name, endNanos);
                Optional<VmStatus> vm = awake(name);
                pause = vm.isPresent() ? suspend(vm.get(), endNanos) : NEVER;
            }
        } catch (IOException e) {
            LOG.error("vm {}: not suspended before the host ends: {}", name, ErrorText.of(e));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    /// {@return after what time to see whether it is asleep, or has to be tried again}
    private Duration suspend(VmStatus vm, long endNanos) throws IOException, InterruptedException {
        try {
            Optional<Operation> suspend = vms.suspend(vm.name(), SuspendOptions.DEFAULT);
            if (suspend.isEmpty()
                    || (suspend.get().awaitEnd(left(endNanos)) && suspend.get().error() == null)) {
                return Duration.ZERO;
            }
            Problem error = suspend.get().error();
            if (error == null || error.isOf(Problem.Kind.BUSY) || suspend.get().isCancelled()) {
                return BUSY_PAUSE; // Of a command without the daemon, or by somebody who asked for it as well.
            }
            return WAITING.contains(vm.state()) ? WAITING_PAUSE : NEVER;
        } catch (ApiException e) {
            if (e.kind() == Problem.Kind.BUSY) {
                return BUSY_PAUSE; // Something has begun meanwhile, which is waited for.
            }
            throw e;
        }
    }

    /// Waits for their end; of a resume until its guest runs, for then it can be suspended.
    private void awaitOperations(String name, long endNanos) throws InterruptedException {
        for (Operation operation : operations.active(name)) {
            if (operation.kind() == Operation.Kind.CHECKPOINT || operation.isQueued()) {
                callOff(operation);
            }
            operation.awaitUsable(left(endNanos));
        }
    }

    private static void callOff(Operation operation) {
        try {
            operation.cancel();
        } catch (ApiException _) {
            // It has begun meanwhile.
        }
    }

    private Optional<VmStatus> status(String name) {
        try {
            return Optional.of(engine.status(name));
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
                if (status(name).filter(vm -> vm.state().equals("suspended")).isPresent()) {
                    LOG.info("vm {}: was awake when the host ended, resuming it", name);
                    vms.resume(name, ResumeOptions.DEFAULT, null).ifPresent(resume -> begun.put(name, resume));
                }
            } catch (IOException e) {
                LOG.error("vm {}: not brought back: {}", name, ErrorText.of(e));
            }
        }
        Thread.ofVirtual().name("bring back").start(() -> forget(begun));
    }

    private void forget(Map<String, Operation> resumes) {
        try {
            rewrite(resumes.keySet());
            while (!resumes.isEmpty()) {
                TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
                if (resumes.values().removeIf(resume -> resume.guestRuns() || resume.isEnded())) {
                    rewrite(resumes.keySet());
                }
            }
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
    private synchronized void rewrite(Set<String> names) throws IOException {
        if (ends) {
            return;
        }
        if (names.isEmpty()) {
            Files.deleteIfExists(file);
        } else {
            write(List.copyOf(names));
        }
    }

    private void write(List<String> names) throws IOException {
        byte[] text = (Json.write(new Names(names)) + "\n").getBytes(StandardCharsets.UTF_8);
        engine.home().storage().writeAtomically(file, text);
    }
}
