package dev.dormouse.daemon;

import dev.dormouse.daemon.RestoreSlots.Urgency;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.NotFoundException;
import dev.dormouse.engine.ResumeOptions;
import dev.dormouse.engine.ResumeResult;
import dev.dormouse.engine.SuspendOptions;
import dev.dormouse.engine.VmException;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// What the daemon does with VMs, whoever wants it: a request, a client of a front port, a policy. Each returns the
/// operation that does it, or nothing if the VM is in that state already. Any thread.
final class Vms {
    private static final Logger LOG = LoggerFactory.getLogger(Vms.class);
    private static final Set<String> GUEST_RUNS = Set.of("running", "restoring");
    private static final int DECISIONS = 64;
    private static final Duration END_PATIENCE = Duration.ofSeconds(10);

    private final Engine engine;
    private final Operations operations;
    private final Events events;
    private final Activity activity;
    private final RestoreSlots slots;
    private final Room room;
    private final Cancellation indexing = new Cancellation();
    /// Between a look at a VM's state and the operation that follows from it nobody else decides about that VM.
    private final List<Object> deciding =
            Stream.generate(Object::new).limit(DECISIONS).toList();

    /// @param lastClients when clients of VMs last went, as far as an earlier daemon has written it down
    Vms(
            Engine engine,
            Operations operations,
            Events events,
            Activity activity,
            DaemonOptions options,
            Function<List<String>, Map<String, Instant>> lastClients) {
        this.engine = engine;
        this.operations = operations;
        this.events = events;
        this.activity = activity;
        slots = new RestoreSlots(options.restoresMax(), System::nanoTime);
        room = new Room(options.memoryLimitBytes(), engine, operations, activity, lastClients, this::suspendUnused);
    }

    VmView view(String name) throws IOException {
        VmStatus status = engine.status(name);
        List<Operation> active = operations.active(name);
        return VmView.of(status, active.isEmpty() ? null : active.getLast().id(), activity.clients(name));
    }

    /// As [#view], of a VM that may be damaged; empty if it is gone.
    Optional<VmView> viewOfAny(String name) {
        try {
            return Optional.of(view(name));
        } catch (NotFoundException _) {
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of(VmView.unreadable(name, ErrorText.of(e)));
        }
    }

    Optional<Operation> start(String name, boolean discardState) throws IOException {
        synchronized (decisionOn(name)) {
            if (operations.active(name, Operation.Kind.START).isEmpty() && runs(name)) {
                return Optional.empty();
            }
            return begin(Operation.Kind.START, name, operation -> {
                room.reserve(name, operation);
                try {
                    engine.start(name, discardState);
                } finally {
                    room.release(name);
                }
                indexInTheBackground(name);
                return null;
            });
        }
    }

    Optional<Operation> stop(String name, boolean force, Duration timeout) throws IOException {
        synchronized (decisionOn(name)) {
            if (operations.active(name).isEmpty() && engine.status(name).state().equals("stopped")) {
                return Optional.empty();
            }
            Optional<Operation> stop = begin(Operation.Kind.STOP, name, operation -> {
                stop(name, force, timeout, operation);
                return null;
            });
            if (force) {
                stop.ifPresent(Operation::force); // It may be one that waits for its guest already.
            }
            return stop;
        }
    }

    private void stop(String name, boolean force, Duration timeout, Operation operation) throws IOException {
        var noLonger = new Cancellation(() -> operation.isForced() || operation.isCancelled());
        try {
            engine.stop(name, force, timeout, operation, force ? operation.cancellation() : noLonger);
        } catch (VmException e) {
            if (force || !operation.isForced() || operation.isCancelled()) {
                throw e;
            }
            endAtOnce(name, timeout, operation);
        }
    }

    /// Of a VM that was asked to end before.
    private void endAtOnce(String name, Duration timeout, Operation operation) throws IOException {
        try {
            engine.stop(name, true, timeout, operation, operation.cancellation());
        } catch (VmException e) {
            if (!engine.status(name).state().equals("stopped")) { // Else it has ended by itself just before.
                throw e;
            }
        }
    }

    Optional<Operation> suspend(String name, SuspendOptions options) throws IOException {
        synchronized (decisionOn(name)) {
            if (operations.active(name).isEmpty() && engine.status(name).state().equals("suspended")) {
                return Optional.empty();
            }
            return begin(
                    Operation.Kind.SUSPEND,
                    name,
                    operation -> engine.suspend(name, options, operation, operation.cancellation()));
        }
    }

    /// Suspends a VM that nobody asked to suspend, unless a client comes. A client counts before it looks for
    /// operations, and here the operation is there before clients are counted: so one of the two sees the other.
    Operation suspendUnused(String name) throws IOException {
        synchronized (decisionOn(name)) {
            return begin(Operation.Kind.SUSPEND, name, operation -> {
                        if (activity.clients(name) > 0) {
                            operation.cancel();
                            throw new ApiException(
                                    Problem.Kind.CONFLICT, "vm %s: has a client again, it runs on".formatted(name));
                        }
                        return engine.suspend(name, SuspendOptions.DEFAULT, operation, operation.cancellation());
                    })
                    .orElseThrow();
        }
    }

    Operation checkpoint(String name, SuspendOptions options) throws IOException {
        synchronized (decisionOn(name)) {
            engine.status(name); // Refuses a VM that does not exist.
            return begin(
                            Operation.Kind.CHECKPOINT,
                            name,
                            operation -> engine.checkpoint(name, options, operation, operation.cancellation()))
                    .orElseThrow();
        }
    }

    /// @param waiter who wants it, until it [leaves][#leave]; null for one who wants it whatever comes
    Optional<Operation> resume(String name, ResumeOptions options, @Nullable String waiter) throws IOException {
        return resume(name, options, Urgency.NONE, waiter);
    }

    /// Calls off a resume that waits for its turn if nobody wants it any more, now that one has gone who did.
    ///
    /// @throws ApiException if it goes on: it has begun, or others want it
    void leave(Operation resume, String waiter) throws ApiException {
        synchronized (decisionOn(resume.vm())) {
            resume.leave(waiter);
            if (activity.clients(resume.vm()) == 0) {
                resume.abandon();
            }
            if (!resume.isCancelled() && !resume.isEnded()) {
                throw new ApiException(
                        Problem.Kind.CONFLICT,
                        "operation %s: it goes on, it has begun or others want it, too; cancel it without 'waiter'"
                                .formatted(resume.id()));
            }
        }
    }

    /// Calls off what waits for its turn to wake a VM for clients, if none of them waits for it any more. Whoever comes
    /// counts as waiting before it looks for operations, so nobody is missed.
    void abandonWake(String name, BooleanSupplier nobodyWaits) {
        synchronized (decisionOn(name)) {
            if (nobodyWaits.getAsBoolean()) {
                operations.active(name, Operation.Kind.RESUME).ifPresent(Operation::abandon);
            }
        }
    }

    /// Resumes a VM for a client that waits for it.
    Optional<Operation> wake(String name) throws IOException {
        Optional<Operation> resume = resume(name, ResumeOptions.DEFAULT, Urgency.CLIENT, null);
        resume.ifPresent(this::raise);
        return resume;
    }

    /// Has a resume that waits for its turn go before those for which no client waits.
    void raise(Operation resume) {
        slots.raise(resume, Urgency.CLIENT);
    }

    private Optional<Operation> resume(String name, ResumeOptions options, Urgency urgency, @Nullable String waiter)
            throws IOException {
        long end = System.nanoTime() + END_PATIENCE.toNanos();
        Operation doomed;
        do {
            synchronized (decisionOn(name)) {
                Optional<Operation> resume = joinOrBeginResume(name, options, urgency);
                if (resume.isEmpty()
                        || urgency == Urgency.CLIENT
                        || resume.get().want(waiter)) {
                    return resume;
                }
                doomed = resume.get();
            }
        } while (endsBefore(end, doomed));
        throw new ApiException(
                Problem.Kind.BUSY,
                "vm %s: busy, its resume was cancelled as operation %s and has not ended yet; try again"
                        .formatted(name, doomed.id()));
    }

    private Optional<Operation> joinOrBeginResume(String name, ResumeOptions options, Urgency urgency)
            throws IOException {
        Optional<Operation> waking =
                operations.active(name, Operation.Kind.RESUME).filter(operation -> !operation.guestRuns());
        if (waking.isEmpty() && runs(name)) {
            return Optional.empty();
        }
        return Optional.of(operations.begin(Operation.Kind.RESUME, name, operation -> {
            RestoreSlots.Turn turn = slots.acquire(operation, urgency, priority(name));
            boolean restored = false;
            try {
                operation.begun();
                operation.whenGentle(() -> slots.release(turn, true));
                ResumeResult result = resumeInRoom(name, options, operation, urgency);
                restored = true;
                return result;
            } finally {
                slots.release(turn, restored);
                tellState(name);
            }
        }));
    }

    /// Waits for one that is about to end.
    ///
    /// @param end as [System#nanoTime]
    private static boolean endsBefore(long end, Operation operation) throws ApiException {
        try {
            return operation.awaitEnd(Duration.ofNanos(end - System.nanoTime())) && System.nanoTime() - end < 0;
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new ApiException(Problem.Kind.UNAVAILABLE, "the daemon is being stopped");
        }
    }

    private Priority priority(String name) {
        try {
            return VmSettings.read(engine.home(), name).priority();
        } catch (IOException e) { // Nobody waits for that.
            LOG.warn("vm {}: of normal priority: {}", name, ErrorText.of(e));
            return Priority.NORMAL;
        }
    }

    private ResumeResult resumeInRoom(String name, ResumeOptions options, Operation operation, Urgency urgency)
            throws IOException {
        if (urgency != Urgency.GUEST) { // Else it has its memory already.
            room.reserve(name, operation);
        }
        try {
            ResumeResult result = engine.resume(name, options, operation);
            indexInTheBackground(name);
            return result;
        } finally {
            room.release(name);
        }
    }

    /// {@return whether the guest of a restore by another process runs}
    boolean guestRunsElsewhere(String name) throws IOException {
        return Boolean.TRUE.equals(engine.status(name).guestRuns());
    }

    /// {@return whether the guest runs, or is about to as soon as its restore by another process has begun}
    private boolean runs(String name) throws IOException {
        VmStatus status = engine.status(name);
        boolean waitsForAPage = status.state().equals("stalled") && status.toRestore() != null;
        return GUEST_RUNS.contains(status.state()) || waitsForAPage;
    }

    private Optional<Operation> begin(Operation.Kind kind, String name, Operations.Work work) throws IOException {
        return Optional.of(operations.begin(kind, name, operation -> {
            operation.begun();
            try {
                return work.run(operation);
            } finally {
                tellState(name);
            }
        }));
    }

    /// Tells those who watch what the VM is now.
    void tellState(String name) {
        try {
            events.publish(
                    "vm",
                    name,
                    null,
                    Map.of("name", name, "state", engine.status(name).state()));
        } catch (IOException e) {
            LOG.warn("vm {}: its state cannot be told: {}", name, ErrorText.of(e));
        }
    }

    /// Carries on with what a daemon before this one left: guests that wait for pages first, all at once.
    ///
    /// @return the operations that carry on with restores, by the names of their VMs
    Map<String, String> adopt() throws IOException {
        var restores = new HashMap<String, String>();
        for (String name : engine.names()) {
            try {
                adopt(name).ifPresent(restore -> restores.put(name, restore.id()));
            } catch (IOException e) {
                LOG.warn("{}", ErrorText.of(e)); // The others are to be helped all the same.
            }
        }
        return Map.copyOf(restores);
    }

    /// Carries on with what others left of one VM.
    ///
    /// @return the operation that carries on with its restore, if there was one
    Optional<Operation> adopt(String name) throws IOException {
        String state = engine.status(name).state();
        switch (state) {
            case "orphaned", "interrupted" -> {
                LOG.info("vm {}: is {}, carrying on with its restore", name, state);
                return resume(name, ResumeOptions.DEFAULT, Urgency.GUEST, null);
            }
            case "suspending", "checkpointing" -> {
                LOG.info(
                        "vm {}: is now {}, its {} was cut off",
                        name,
                        engine.settle(name).state(),
                        state);
            }
            case "running" -> Thread.ofVirtual().name("settle " + name).start(() -> settleMerge(name));
            default -> {} // It rests.
        }
        return Optional.empty();
    }

    /// A merge of its disks may have been cut off.
    private void settleMerge(String name) {
        try {
            engine.settleMerge(name);
        } catch (IOException e) {
            LOG.warn("vm {}: {}", name, ErrorText.of(e)); // Somebody else has it, who settles it.
        }
        indexInTheBackground(name);
    }

    /// Has missing block indexes made, so that a suspend need not, on a thread that works only when nobody else does.
    private void indexInTheBackground(String name) {
        Thread.ofPlatform().daemon().name("index " + name).start(() -> {
            try {
                if (engine.needsIndexing(name)) {
                    engine.index(name, true, (_, _, _) -> {}, indexing);
                }
            } catch (IOException e) {
                LOG.info("vm {}: not indexed: {}", name, ErrorText.of(e)); // Left to the first suspend.
            }
        });
    }

    /// {@return what to hold; some VMs share one, so nobody waits for an operation who holds it}
    private Object decisionOn(String name) {
        return deciding.get(Math.floorMod(name.hashCode(), DECISIONS));
    }

    void close() {
        indexing.cancel();
    }
}
