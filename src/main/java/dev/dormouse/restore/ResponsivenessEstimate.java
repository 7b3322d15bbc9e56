package dev.dormouse.restore;

import java.util.Arrays;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/// From when on a guest hardly waited for pages, as far as that can be told from outside: the first instant after
/// RUN from which stalls took less than a tenth of the second that followed. A *stall* is the time from when a
/// demand was read until its page was placed; time in which several demands wait counts once, so a guest with
/// many processors is taken for slower than it is.
///
/// It is an estimate. A guest without a probe does not tell how it works: what it loses to other users of the
/// processors, to huge pages that are gone, or between the touch of a page and the demand, is not seen here. The
/// time to responsiveness that benchmarks report is measured in the guest
/// (`docs/adr/0004-time-to-responsiveness.md`).
///
/// Time is counted in buckets of 20 ms, which is how exact the instant is; that of RUN itself is exact. Each call
/// does a bounded amount of work, whatever time has passed, and allocates nothing. Owned by the server's thread.
final class ResponsivenessEstimate {
    static final long BUCKET_NANOS = 20_000_000;
    private static final int WINDOW = 50;
    private static final long WINDOW_NANOS = WINDOW * BUCKET_NANOS;
    private static final long STALLED_NANOS = WINDOW_NANOS / 10; // In one window, that a responsive guest stays below.

    private final LongSupplier ran;
    private final long originNanos;
    private final long[] stalled = new long[WINDOW]; // Of the newest bucket and those before it.
    private long sum; // Of all of these.
    private long bucket; // The newest, counted from the origin.
    private long coveredNanos; // Stalls are counted until then.
    private boolean waiting;
    private long waitingNanos;
    private long ranNanos;
    private long firstBucket = Long.MAX_VALUE; // In which the guest began to run, once that is known.
    private boolean reached;
    private long reachedNanos;

    /// @param ran when the guest began to run, 0 before that; by the same clock as all that follows
    /// @param originNanos from when on demands are served
    ResponsivenessEstimate(LongSupplier ran, long originNanos) {
        this.ran = ran;
        this.originNanos = originNanos;
        this.coveredNanos = originNanos;
    }

    /// A demand was answered.
    ///
    /// @param end now
    void stalled(long begin, long end) {
        if (!reached) {
            count(waiting ? Math.min(begin, waitingNanos) : begin, end);
        }
    }

    /// A demand could not be answered: somebody waits on until [#waitsNoMore].
    void waits(long begin) {
        if (!waiting) {
            waiting = true;
            waitingNanos = begin;
        }
    }

    /// Every demand that could not be answered was answered since.
    void waitsNoMore(long now) {
        passed(now);
        waiting = false;
    }

    boolean isWaiting() {
        return waiting;
    }

    /// Time has passed; no demand but those of [#waits] waits.
    void passed(long now) {
        if (reached) {
            return;
        }
        if (waiting) {
            count(waitingNanos, now);
        } else {
            moveTo(bucketOf(now));
        }
    }

    /// Every page is placed, so nobody will wait any more. If it is not known yet that the guest runs then
    /// only RUN is left to wait for, and the instant is now.
    void end(long now) {
        passed(now);
        waiting = false;
        lookForRun();
        if (!reached && firstBucket == Long.MAX_VALUE) {
            reach(now);
        }
        while (!reached) {
            step();
        }
    }

    /// {@return the instant, which may be earlier than RUN if [#end] came before that; null if it was not reached}
    @Nullable
    Long nanos() {
        return reached ? (Long) reachedNanos : null;
    }

    private void count(long begin, long end) {
        long at = Math.max(begin, coveredNanos);
        if (end - at > 2 * WINDOW_NANOS) { // No window that touches what is left out is without stalls.
            fill(at, at + WINDOW_NANOS);
            bucket = bucketOf(end - WINDOW_NANOS) - 1;
            Arrays.fill(stalled, BUCKET_NANOS);
            sum = WINDOW_NANOS;
            at = beginOf(bucket + 1);
        }
        fill(at, end);
        coveredNanos = Math.max(coveredNanos, end);
    }

    private void fill(long begin, long end) {
        for (long at = begin; at < end && !reached; ) {
            long current = bucketOf(at);
            moveTo(current);
            long next = Math.min(end, beginOf(current + 1));
            if (current > bucket - WINDOW) {
                stalled[(int) (current % WINDOW)] += next - at;
                sum += next - at;
            }
            at = next;
        }
    }

    private void moveTo(long target) {
        if (target <= bucket) {
            return;
        }
        lookForRun();
        long idleUntil = Math.min(target, firstBucket) - WINDOW; // No window that counts reaches back to before that.
        if (idleUntil > bucket) {
            Arrays.fill(stalled, 0);
            sum = 0;
            bucket = idleUntil;
        }
        while (bucket < target && !reached) {
            step();
        }
    }

    /// The newest bucket is over, and with it the window that ends there.
    private void step() {
        long first = bucket - WINDOW + 1;
        if (first >= firstBucket && sum < STALLED_NANOS) {
            reach(Math.max(ranNanos, beginOf(first)));
            return;
        }
        bucket++;
        int index = (int) (bucket % WINDOW);
        sum -= stalled[index];
        stalled[index] = 0;
    }

    private void reach(long nanos) {
        reached = true;
        reachedNanos = nanos;
    }

    private void lookForRun() {
        if (firstBucket == Long.MAX_VALUE) {
            ranNanos = ran.getAsLong();
            if (ranNanos != 0) {
                firstBucket = Math.max(0, bucketOf(ranNanos));
            }
        }
    }

    private long bucketOf(long nanos) {
        return Math.floorDiv(nanos - originNanos, BUCKET_NANOS);
    }

    private long beginOf(long number) {
        return originNanos + number * BUCKET_NANOS;
    }
}
