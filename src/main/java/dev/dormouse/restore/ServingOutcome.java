package dev.dormouse.restore;

import org.jspecify.annotations.Nullable;

/// What the serving of a restore came to.
///
/// @param recovered non-zero pages that were there before
/// @param auditMillis for how long it was checked that all is there
/// @param placedAgain pages that were not
/// @param placedAhead pages of the working set that were placed ahead of the background
/// @param hitRate estimated share of the working set that the guest would have waited for
record ServingOutcome(
        RestoreListener.Progress progress,
        long recovered,
        DemandLatency latency,
        long auditMillis,
        long placedAgain,
        long placedAhead,
        @Nullable Double hitRate) {
    /// {@return the outcome of a restore in which nobody asked for a page}
    static ServingOutcome ofAll(RestoreListener.Progress progress, long recovered) {
        return new ServingOutcome(progress, recovered, new DemandLatency(), 0, 0, 0, null);
    }
}
