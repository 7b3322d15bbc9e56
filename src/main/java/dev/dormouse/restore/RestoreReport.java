package dev.dormouse.restore;

import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a restore did for its guest. Pages are of 4096 bytes.
///
/// @param nonZeroPages pages that had to be placed
/// @param demandedPages non-zero pages that the guest waited for
/// @param demandedZeroPages zero pages that it waited for
/// @param prefetchedPages non-zero pages placed before anybody asked: neighbours and background
/// @param pagesBeforeRun non-zero pages that came before the guest ran: those of small blocks, and what
///     [EarlyPages] chose
/// @param pagesWritten those of them that were written into QEMU's memory, not sent through its stream
/// @param recoveredPages non-zero pages that a page server before this one had placed
/// @param storedBytes of the non-zero pages: what was in an extent
/// @param duplicateBytes what was in an extent as another page
/// @param onDiskBytes what was on the frozen disks
/// @param demandMicrosP50 from when a request was read until the page was placed (through the stream: until
///     QEMU had been sent it), for half of the demands; 0 without any
/// @param demandMicrosP99 the same for 99 of 100
/// @param demandMicrosMax the same for all
/// @param blockedMillis all of these latencies together. QEMU's own count (`postcopy-blocktime`) does not see pages
///     that were placed directly
/// @param demandLatencies how many of them took how long, the shortest first; durations that none took are left out
/// @param responsiveMillisEstimate from the request (the call of the engine) until the guest hardly waited for
///     pages any more: to the first instant after it ran from which a demand waited for less than a tenth of
///     the second that followed. An estimate from outside ([ResponsivenessEstimate]), which does not see what else
///     slows the guest; time to responsiveness as benchmarks have it is measured in the guest. Null where that
///     was not reached before the restore was cut off, and of one that was carried on
/// @param auditMillis for how long it was checked that the placed pages are there
/// @param pagesPlacedAgain pages that this check found missing
/// @param workingSetPages pages of the working set that were placed ahead of the background
/// @param workingSetHitRate estimated share of them that the guest would have waited for; null if too few were
///     held back to tell
/// @param wantedShare estimated share of all that is not zero which the guest touched before the restore was complete;
///     null if too little was held back to tell
/// @param placement per RAM block `direct` or `stream`; empty for an eager restore
/// @param placementReason why nothing is direct, else empty
@Json
public record RestoreReport(
        long nonZeroPages,
        long demandedPages,
        long demandedZeroPages,
        long prefetchedPages,
        long pagesBeforeRun,
        long pagesWritten,
        long recoveredPages,
        long storedBytes,
        long duplicateBytes,
        long onDiskBytes,
        long demandMicrosP50,
        long demandMicrosP99,
        long demandMicrosMax,
        long blockedMillis,
        List<DemandCount> demandLatencies,
        @Nullable Long responsiveMillisEstimate,
        long auditMillis,
        long pagesPlacedAgain,
        long workingSetPages,
        @Nullable Double workingSetHitRate,
        @Nullable Double wantedShare,
        List<String> placement,
        String placementReason) {
    /// The bounds of [DemandCount], ascending, in microseconds.
    public static final List<Long> DEMAND_MICROS_MAX = List.of(
            50L,
            100L,
            200L,
            500L,
            1_000L,
            2_000L,
            5_000L,
            10_000L,
            20_000L,
            50_000L,
            100_000L,
            200_000L,
            500_000L,
            1_000_000L,
            2_000_000L,
            5_000_000L,
            10_000_000L);

    /// Of a restore that had nothing left to do.
    public static final RestoreReport NOTHING = new RestoreReport(
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, List.of(), null, 0, 0, 0, null, null, List.of(), "");

    public RestoreReport {
        // Null in a report that was written before there were any.
        demandLatencies = demandLatencies == null ? List.of() : List.copyOf(demandLatencies);
        placement = List.copyOf(placement);
    }

    /// Demands that took about as long.
    ///
    /// @param microsMax one of [#DEMAND_MICROS_MAX], which they did not exceed, but the one before; null if they
    ///     exceeded all
    @Json
    public record DemandCount(@Nullable Long microsMax, long demands) {}

    /// {@return the same, with the estimate that only who knows the time of the request can make}
    public RestoreReport withResponsiveMillisEstimate(@Nullable Long millis) {
        return new RestoreReport(
                nonZeroPages,
                demandedPages,
                demandedZeroPages,
                prefetchedPages,
                pagesBeforeRun,
                pagesWritten,
                recoveredPages,
                storedBytes,
                duplicateBytes,
                onDiskBytes,
                demandMicrosP50,
                demandMicrosP99,
                demandMicrosMax,
                blockedMillis,
                demandLatencies,
                millis,
                auditMillis,
                pagesPlacedAgain,
                workingSetPages,
                workingSetHitRate,
                wantedShare,
                placement,
                placementReason);
    }
}
