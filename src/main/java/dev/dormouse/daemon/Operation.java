package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.restore.PageMap;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Work on a VM that takes time: what it is doing, and how it ended. Follows the engine while it does the work, and
/// tells [Events] of each change. Any thread.
final class Operation implements OperationListener {
    private static final int PAGE_BYTES = 4096;
    private static final int MARKS_MAX = 100;
    private static final int WAITERS_MAX = 1000;

    /// What is done.
    enum Kind {
        START,
        STOP,
        SUSPEND,
        RESUME,
        CHECKPOINT;

        String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private enum State {
        QUEUED,
        RUNNING,
        SUCCEEDED,
        FAILED,
        CANCELLED
    }

    private final String id;
    private final Kind kind;
    private final String vm;
    private final Events events;
    private final Consumer<OperationView> onStart;
    private final Consumer<OperationView> onEnd;
    private final String created = now();
    private final Cancellation cancellation = new Cancellation();
    private final CountDownLatch usable = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile boolean hurry;
    private volatile boolean forced;
    private volatile Runnable onGentle = () -> {};

    // Guarded by this.
    private final List<OperationTrace.Mark> marks = new ArrayList<>();
    private State state = State.QUEUED;
    private long startNanos;
    private boolean cancelled;
    private final Set<String> waiters = new HashSet<>(); // Who want it for as long as they wait for it.
    private boolean wanted; // By somebody who is neither a client of the VM nor one of these.
    private boolean abandoned;
    private boolean calledOff; // Its thread has seen that it is cancelled.
    private boolean recovery;
    private @Nullable String startTime;
    private @Nullable String endTime;
    private @Nullable Integer position;
    private @Nullable Long turnNanos; // When its turn comes, about.
    private @Nullable String step;
    private @Nullable Long guestRunsMillis;
    private @Nullable Long done;
    private @Nullable Long total;
    private @Nullable String stalledReason;
    private @Nullable Map<String, Object> result;
    private @Nullable Problem error;

    /// As [#Operation(String, Kind, String, Events, Consumer, Consumer)], which tells nobody when it starts.
    Operation(String id, Kind kind, String vm, Events events, Consumer<OperationView> onEnd) {
        this(id, kind, vm, events, _ -> {}, onEnd);
    }

    /// @param onStart told when its turn has come; must neither block nor throw
    /// @param onEnd told when it has ended, before anybody else can see that; must neither block nor throw
    Operation(
            String id,
            Kind kind,
            String vm,
            Events events,
            Consumer<OperationView> onStart,
            Consumer<OperationView> onEnd) {
        this.id = id;
        this.onStart = onStart;
        this.onEnd = onEnd;
        this.kind = kind;
        this.vm = vm;
        this.events = events;
    }

    String id() {
        return id;
    }

    Kind kind() {
        return kind;
    }

    String vm() {
        return vm;
    }

    Cancellation cancellation() {
        return cancellation;
    }

    synchronized OperationView view() {
        return new OperationView(
                id,
                kind.word(),
                vm,
                state.name().toLowerCase(Locale.ROOT),
                created,
                startTime,
                endTime,
                state == State.QUEUED ? position : null,
                state == State.QUEUED ? secondsUntilTurn() : null,
                step,
                endTime != null && recovery ? null : guestRunsMillis,
                responsiveMillis(),
                done,
                total,
                stalledReason,
                result,
                error,
                null);
    }

    /// The report counts from the call of the engine, before which room for the VM may have been made.
    private @Nullable Long responsiveMillis() {
        return guestRunsMillis != null
                        && !recovery
                        && result != null
                        && result.get("runningMillis") instanceof Number running
                        && result.get("report") instanceof Map<?, ?> report
                        && report.get("responsiveMillisEstimate") instanceof Number responsive
                ? (Long) (guestRunsMillis + responsive.longValue() - running.longValue())
                : null;
    }

    private @Nullable Long secondsUntilTurn() {
        Long turn = turnNanos;
        return turn == null ? null : Math.max(0, Math.ceilDiv(turn - System.nanoTime(), TimeUnit.SECONDS.toNanos(1)));
    }

    /// {@return it as a trace of OpenTelemetry}
    synchronized Map<String, Object> trace() {
        return OperationTrace.of(view(), marks);
    }

    /// Of one that says the same again and again the first is remembered.
    private synchronized void mark(String what) {
        if (marks.size() < MARKS_MAX
                && (marks.isEmpty() || !marks.getLast().what().equals(what))) {
            marks.add(new OperationTrace.Mark(now(), what));
        }
    }

    synchronized boolean isEnded() {
        return endTime != null;
    }

    /// {@return whether the guest of a resume runs, so that other things may be done with the VM}
    synchronized boolean guestRuns() {
        return guestRunsMillis != null;
    }

    synchronized boolean isQueued() {
        return state == State.QUEUED;
    }

    synchronized @Nullable Problem error() {
        return error;
    }

    /// @param newPosition where it stands in the queue, from 1
    /// @param startsIn about how long that takes; null if nobody knows
    void queued(int newPosition, @Nullable Duration startsIn) {
        synchronized (this) {
            position = newPosition;
            turnNanos = startsIn == null ? null : System.nanoTime() + startsIn.toNanos();
        }
        publish();
    }

    /// @throws ApiException if it was cancelled before
    void begun() throws ApiException {
        synchronized (this) {
            refuseIfCancelled();
            state = State.RUNNING;
            startNanos = System.nanoTime();
            startTime = now();
            onStart.accept(view());
        }
        publish();
    }

    /// To be asked before it begins. Once this has thrown nobody can want it any more.
    ///
    /// @throws ApiException if it was cancelled before
    synchronized void refuseIfCancelled() throws ApiException {
        if (cancelled) {
            calledOff = true;
            throw new ApiException(Problem.Kind.CONFLICT, "vm %s: cancelled, it is as it was".formatted(vm));
        }
    }

    void succeeded(@Nullable Object record) {
        end(State.SUCCEEDED, record == null ? null : Json.parseObject(Json.write(record)), null);
    }

    void failed(Problem problem) {
        boolean wanted;
        synchronized (this) {
            wanted = cancelled;
        }
        end(wanted ? State.CANCELLED : State.FAILED, null, problem);
    }

    private void end(State newState, @Nullable Map<String, Object> newResult, @Nullable Problem newError) {
        synchronized (this) {
            state = newState;
            result = newResult;
            error = newError;
            step = null;
            stalledReason = null;
            endTime = now();
            onEnd.accept(view());
        }
        usable.countDown();
        ended.countDown();
        publish();
    }

    /// Ends it where it can be undone; one that has come too far comes to its end.
    ///
    /// @throws ApiException if it is of a kind that cannot be undone
    void cancel() throws ApiException {
        synchronized (this) {
            if (endTime != null) {
                return;
            }
            boolean undoable = kind == Kind.SUSPEND || kind == Kind.CHECKPOINT || kind == Kind.STOP;
            if (!undoable && state != State.QUEUED) {
                throw new ApiException(
                        Problem.Kind.CONFLICT,
                        "operation %s: a %s cannot be cancelled once it has begun; suspend or stop vm %s instead"
                                .formatted(id, kind.word(), vm));
            }
            cancelled = true;
        }
        cancellation.cancel();
    }

    /// Of a resume that carries on with a restore whose guest runs already: when it ends it has no time until its
    /// guest ran.
    @Override
    public synchronized void carriesOn(boolean recovers) {
        recovery = recovers;
    }

    /// Has a resume that waits for its turn begin even if no client waits for it any more, or did just before.
    ///
    /// @param waiter who may [leave][#leave]; null for one who wants it whatever comes
    /// @return whether it can still be had; else it is about to end, and another one is to be begun
    synchronized boolean want(@Nullable String waiter) {
        if (calledOff || (cancelled && !abandoned)) { // What was cancelled for all nobody can have back.
            return false;
        }
        if (waiter == null || waiters.size() == WAITERS_MAX) {
            wanted = true;
        } else {
            waiters.add(waiter);
        }
        if (abandoned && state == State.QUEUED) {
            abandoned = false;
            cancelled = false;
        }
        return true;
    }

    /// Says that somebody who [wanted][#want] it does so no longer.
    synchronized void leave(String waiter) {
        waiters.remove(waiter);
    }

    /// As [#cancel], of a resume that has not begun, and that only those wanted who have gone.
    synchronized void abandon() {
        if (!wanted && waiters.isEmpty() && state == State.QUEUED) {
            abandoned = true;
            cancelled = true;
        }
    }

    /// {@return whether it never begins, because nobody waited for it any more: whoever comes now begins another one}
    synchronized boolean isAbandoned() {
        return abandoned;
    }

    synchronized boolean isCancelled() {
        return cancelled;
    }

    /// Has a restore place the rest as fast as it can.
    void askForHaste() {
        hurry = true;
    }

    /// Has a stop wait for its guest no longer, but end QEMU at once.
    void force() {
        forced = true;
    }

    boolean isForced() {
        return forced;
    }

    /// Waits until the guest of a resume runs, or the operation has ended.
    ///
    /// @return whether it has come to that in time
    boolean awaitUsable(Duration patience) throws InterruptedException {
        return usable.await(patience.toNanos(), TimeUnit.NANOSECONDS);
    }

    /// {@return whether it has ended in time}
    boolean awaitEnd(Duration patience) throws InterruptedException {
        return ended.await(patience.toNanos(), TimeUnit.NANOSECONDS);
    }

    /// Has something done once when the rest of a restore is in nobody's way.
    void whenGentle(Runnable action) {
        onGentle = action;
    }

    @Override
    public void gentle() {
        onGentle.run();
    }

    @Override
    public boolean hurry() {
        return hurry;
    }

    /// Its end is told to whoever writes it down.
    @Override
    public boolean isRecording() {
        return true;
    }

    @Override
    public void running() {
        synchronized (this) {
            if (kind != Kind.RESUME || guestRunsMillis != null) {
                return;
            }
            guestRunsMillis = (System.nanoTime() - startNanos) / 1_000_000;
        }
        usable.countDown();
        publish();
    }

    @Override
    public void serving(PageMap pages) {
        events.pageMaps().begun(vm, id, pages);
    }

    @Override
    public void step(String what) {
        mark(what);
        synchronized (this) {
            step = what;
        }
        publish();
    }

    @Override
    public void stalled(String reason) {
        mark("stalled: " + reason);
        synchronized (this) {
            stalledReason = reason;
        }
        publish();
    }

    @Override
    public void unstalled() {
        synchronized (this) {
            stalledReason = null;
        }
        publish();
    }

    @Override
    public void captured(long bytes, long totalBytes) {
        if (advanced(bytes, totalBytes)) {
            publishProgress(Map.of());
        }
    }

    @Override
    public void progress(Progress progress) {
        advanced(progress.placedPages() * PAGE_BYTES, progress.nonZeroPages() * PAGE_BYTES);
        publishProgress(Map.of(
                "demandedPages", progress.demandedPages(),
                "demandedZeroPages", progress.demandedZeroPages(),
                "prefetchedPages", progress.prefetchedPages()));
    }

    /// {@return whether it is a hundredth further than what was told last}
    private synchronized boolean advanced(long bytes, long ofBytes) {
        long told = Objects.requireNonNullElse(done, -ofBytes);
        boolean further = ofBytes != 0 && (bytes == ofBytes || (bytes - told) * 100 >= ofBytes);
        if (further || kind == Kind.RESUME) {
            done = bytes;
            total = ofBytes;
        }
        return further;
    }

    private void publishProgress(Map<String, Object> more) {
        var data = new LinkedHashMap<String, Object>();
        data.put("operation", id);
        data.put("vm", vm);
        synchronized (this) {
            data.put("done", done);
            data.put("total", total);
        }
        data.putAll(more);
        events.publish("progress", vm, id, data);
    }

    private void publish() {
        events.publish("operation", vm, id, view());
    }

    static String now() {
        return Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
    }
}
