package dev.dormouse.restore;

import org.jspecify.annotations.Nullable;

/// What the serving of a restore came to.
///
/// @param there non-zero pages that were there before
/// @param responsiveNanos of [ResponsivenessEstimate]
/// @param auditMillis for how long it was checked that all is there
/// @param placedAgain pages that were not
/// @param placedAhead pages of the working set that were placed ahead of the background
/// @param hitRate estimated share of the working set that the guest would have waited for
/// @param wantedShare estimated share of all that is not zero which the guest wanted
record ServingOutcome(
        RestoreListener.Progress progress,
        long there,
        DemandLatency latency,
        @Nullable Long responsiveNanos,
        long auditMillis,
        long placedAgain,
        long placedAhead,
        @Nullable Double hitRate,
        @Nullable Double wantedShare) {
    /// {@return the outcome of a restore in which nobody asked for a page}
    static ServingOutcome ofAll(RestoreListener.Progress progress) {
        return new ServingOutcome(progress, progress.nonZeroPages(), new DemandLatency(), null, 0, 0, 0, null, null);
    }
}
