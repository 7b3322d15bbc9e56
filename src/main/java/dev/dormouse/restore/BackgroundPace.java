package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.util.concurrent.TimeUnit;

/// How quickly the background of one restore goes: by what its guest is known to want, how the guest and the host are
/// busy, and whether somebody waits for the end. [BackgroundWindow] opens and shuts within that.
///
/// Beside a guest that was given all it is known to want nothing is placed for three seconds, so that it comes to its
/// stride; then as little as it does not notice, or, where a processor has been idle meanwhile and no other restore
/// goes on, as much as that gives (ADR 51). Owned by the thread of the page-fault server.
final class BackgroundPace {
    /// For how long a guest that was given nearly everything may ask for the rest before it comes by itself.
    private static final long OBSERVED_NANOS = 1_000_000_000;
    /// For how long a guest that has all it is known to want of its first seconds has the processors to itself.
    private static final long UNDISTURBED_NANOS = 3_000_000_000L;

    private enum Phase {
        /// What the guest wants is not known.
        USUAL,
        /// Nothing comes by itself.
        UNDISTURBED,
        GENTLE,
        /// On a processor that nobody else wants.
        STEADY
    }

    private final BackgroundOptions usual;
    private final WorkingSetTrial workingSet;
    private final HostBudget budget;
    private final GuestLoad load;
    private final ReadAhead reads;
    private final long startNanos;
    private BackgroundOptions options;
    private BackgroundWindow window;
    private Phase phase;
    private boolean hurrying;

    /// @param usual for a guest of which nothing is known
    /// @param reads of the background
    BackgroundPace(
            BackgroundOptions usual,
            WorkingSetTrial workingSet,
            Surroundings surroundings,
            ReadAhead reads,
            long nowNanos) {
        this.usual = usual;
        this.workingSet = workingSet;
        this.budget = surroundings.budget();
        this.load = surroundings.load();
        this.reads = reads;
        this.startNanos = nowNanos;
        this.phase = workingSet.isComplete() ? Phase.UNDISTURBED : Phase.USUAL;
        this.options = phase == Phase.USUAL ? usual : usual.gentle();
        this.window = new BackgroundWindow(options, nowNanos);
        use();
        if (workingSet.isObserved()) {
            window.rest(nowNanos + OBSERVED_NANOS);
        } else if (phase == Phase.UNDISTURBED) {
            window.rest(nowNanos + UNDISTURBED_NANOS);
        }
    }

    /// {@return the pages that may be placed now}
    int pages(long nowNanos) {
        return options.on() || hurrying ? window.pages(nowNanos) : 0;
    }

    /// {@return for how long the window stays shut}
    long shutNanos(long nowNanos) {
        return window.shutNanos(nowNanos);
    }

    void onDemand(long nowNanos) {
        window.onDemand(nowNanos);
    }

    void onPlaced(int pages, long startedNanos, long nowNanos) {
        window.onPlaced(pages, startedNanos, nowNanos, load.isResting(nowNanos));
        if (!hurrying) {
            window.rest(budget.onBackground(pages * (long) RamBlock.TARGET_PAGE_BYTES, nowNanos));
        }
    }

    /// {@return whether it is in nobody's way; not of one that hurries}
    boolean isGentle() {
        return options.isGentle();
    }

    boolean isHurrying() {
        return hurrying;
    }

    /// Looks whether it still suits the guest and the host; now and then.
    void adapt(long nowNanos) {
        if (hurrying || phase == Phase.USUAL) {
            return;
        }
        if (!workingSet.isComplete()) { // It was another guest than expected.
            change(Phase.USUAL, usual, nowNanos);
        } else if (phase == Phase.UNDISTURBED && nowNanos - startNanos >= UNDISTURBED_NANOS) {
            phase = Phase.GENTLE;
            if (isAlone() && load.leavesProcessor()) {
                change(Phase.STEADY, usual.steady(), nowNanos);
            }
        } else if (phase == Phase.STEADY && !isAlone()) {
            change(Phase.GENTLE, usual.gentle(), nowNanos);
        }
    }

    /// A gentle restore has given its place among those of the host to another one, which goes first.
    private boolean isAlone() {
        return budget.restores() <= 1;
    }

    /// Everything as fast as it goes: somebody waits for the end.
    void hurry(long nowNanos) {
        hurrying = true;
        options = BackgroundOptions.UNTHROTTLED;
        window = new BackgroundWindow(options, nowNanos - TimeUnit.SECONDS.toNanos(1));
        reads.use(budget.urgent(), ReadAhead.BATCHES);
    }

    private void change(Phase next, BackgroundOptions other, long nowNanos) {
        phase = next;
        options = other;
        window = new BackgroundWindow(options, nowNanos);
        use();
    }

    private void use() {
        reads.use(options.isRestless() ? budget.sprint() : budget.background(), isGentle() ? 1 : ReadAhead.BATCHES);
        load.countMoments(phase == Phase.USUAL || phase == Phase.STEADY);
    }
}
