package dev.dormouse.daemon;

import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The operations under way and the last ones that ended. Each runs on a thread of its own. Any thread.
final class Operations {
    private static final Logger LOG = LoggerFactory.getLogger(Operations.class);
    private static final int ENDED_KEPT = 500;
    /// What leaves a VM awake.
    private static final Set<Operation.Kind> WAKING =
            EnumSet.of(Operation.Kind.START, Operation.Kind.RESUME, Operation.Kind.CHECKPOINT);

    /// What an operation does.
    @FunctionalInterface
    interface Work {
        /// @return what it came to, a record annotated with `@Json`; null if there is nothing to tell
        @Nullable
        Object run(Operation operation) throws IOException;
    }

    private final Events events;
    private final Consumer<OperationView> begun;
    private final Consumer<OperationView> ended;
    /// The operations of this life of the daemon have ids that another life does not use.
    private final String idPrefix = Long.toString(System.currentTimeMillis(), 36) + "-";
    private final Map<String, Operation> operations = new LinkedHashMap<>(); // Guarded by this, as is what follows.
    private final List<Operation> open = new ArrayList<>(); // Those that may not have ended yet.
    private long count;
    private long forgotten; // The highest number of one that is held no more.
    private boolean hostEnds;
    private boolean closed;

    /// As [#Operations(Events, Consumer, Consumer)], which tells nobody of those that begin.
    Operations(Events events, Consumer<OperationView> ended) {
        this(events, _ -> {}, ended);
    }

    /// @param begun told of each operation, in their order and before it does anything, and again when its turn has
    ///     come; must neither block nor throw
    /// @param ended told of each operation that has ended, in its thread, before anybody else can see that
    Operations(Events events, Consumer<OperationView> begun, Consumer<OperationView> ended) {
        this.events = events;
        this.begun = begun;
        this.ended = ended;
    }

    /// Begins an operation, or finds the one that does the same already.
    ///
    /// @throws ApiException if another one of the VM is in its way
    synchronized Operation begin(Operation.Kind kind, String vm, Work work) throws ApiException {
        if (closed) {
            throw new ApiException(Problem.Kind.UNAVAILABLE, "the daemon is being stopped, try again when it is back");
        }
        if (hostEnds && WAKING.contains(kind)) {
            throw new ApiException(
                    Problem.Kind.UNAVAILABLE,
                    "vm %s: the host ends, it is left asleep until that is back".formatted(vm));
        }
        for (Operation other : active(vm)) {
            if (other.kind() == kind && !isOver(other)) {
                return other;
            }
            if (!canFollow(kind, other)) {
                throw new ApiException(
                        Problem.Kind.BUSY,
                        "vm %s: busy, its %s is under way as operation %s; wait for it to end"
                                .formatted(vm, other.kind().word(), other.id()));
            }
        }
        var operation = new Operation(idPrefix + ++count, kind, vm, events, begun, ended);
        begun.accept(operation.view());
        try {
            Thread.ofPlatform().name(kind.word() + " " + vm).start(() -> run(operation, work));
        } catch (Error e) { // There is no memory for it; nobody has seen the operation yet.
            operation.failed(Problem.of(e));
            forgotten = count; // It is only where that was written down.
            throw e;
        }
        operations.put(operation.id(), operation);
        open.add(operation);
        forgetOldest();
        return operation;
    }

    /// The engine completes a restore under way before a suspend, checkpoint or stop.
    private static boolean canFollow(Operation.Kind kind, Operation other) {
        return isOver(other) && kind != Operation.Kind.START;
    }

    /// Of a resume whose guest ran another resume may only be wanted when that guest is suspended again: then all that
    /// is left of the first one is to be counted as ended.
    private static boolean isOver(Operation other) {
        return other.kind() == Operation.Kind.RESUME && other.guestRuns();
    }

    private void run(Operation operation, Work work) {
        String name = "%s of vm %s".formatted(operation.kind().word(), operation.vm());
        try {
            Object result = work.run(operation);
            operation.succeeded(result);
            LOG.info("{}: done", name);
        } catch (IOException | RuntimeException | Error e) { // One that never ended would block its VM for good.
            Problem problem = Problem.of(e);
            if (problem.status() == Problem.Kind.FAILED.status() && !(e instanceof IOException)) {
                LOG.error("{}: {}", name, problem.detail(), e);
            } else {
                LOG.warn("{}: {}", name, problem.detail());
            }
            operation.failed(problem);
        }
    }

    /// {@return those of a VM that have not ended}
    synchronized List<Operation> active(String vm) {
        open.removeIf(Operation::isEnded);
        return open.stream().filter(operation -> operation.vm().equals(vm)).toList();
    }

    /// {@return whether all that is under way are restores whose guests run}
    synchronized boolean keepNobodyWaiting() {
        open.removeIf(Operation::isEnded);
        return open.stream().allMatch(Operations::isOver);
    }

    /// {@return whether none is under way}
    synchronized boolean isIdle() {
        open.removeIf(Operation::isEnded);
        return open.isEmpty();
    }

    /// {@return the operation of that kind on the VM that has not ended}
    Optional<Operation> active(String vm, Operation.Kind kind) {
        return active(vm).stream().filter(operation -> operation.kind() == kind).findFirst();
    }

    synchronized Optional<Operation> find(String id) {
        return Optional.ofNullable(operations.get(id));
    }

    /// Those that are known at one moment.
    ///
    /// @param forgotten the highest [number][#number] of one that is known no more; 0 if there is none
    record Held(List<Operation> newestFirst, long forgotten) {}

    synchronized Held held() {
        return new Held(new ArrayList<>(operations.values()).reversed(), forgotten);
    }

    /// {@return which one of this daemon it is, from 1; 0 of none, such as one of an earlier daemon}
    long number(String id) {
        try {
            return id.startsWith(idPrefix) ? Math.max(0, Long.parseLong(id.substring(idPrefix.length()))) : 0;
        } catch (NumberFormatException _) {
            return 0; // A client made it up.
        }
    }

    private void forgetOldest() {
        long ended = operations.values().stream().filter(Operation::isEnded).count();
        Iterator<Operation> oldest = operations.values().iterator();
        while (ended > ENDED_KEPT && oldest.hasNext()) {
            Operation operation = oldest.next();
            if (operation.isEnded()) {
                oldest.remove();
                forgotten = Math.max(forgotten, number(operation.id()));
                ended--;
            }
        }
    }

    /// Takes no more operations that leave a VM awake.
    synchronized void refuseWakes() {
        hostEnds = true;
    }

    /// Takes no more operations, calls off those that can be undone, has restores hurry, and waits for them.
    ///
    /// @return those that have not ended in time
    List<Operation> close(Duration patience) throws InterruptedException {
        List<Operation> left;
        synchronized (this) {
            closed = true;
            left = operations.values().stream()
                    .filter(operation -> !operation.isEnded())
                    .toList();
        }
        long end = System.nanoTime() + patience.toNanos();
        for (Operation operation : left) {
            operation.askForHaste();
            try {
                operation.cancel();
            } catch (ApiException _) {
                // It comes to its end.
            }
        }
        for (Operation operation : left) {
            operation.awaitEnd(Duration.ofNanos(Math.max(0, end - System.nanoTime())));
        }
        return left.stream().filter(operation -> !operation.isEnded()).toList();
    }
}
