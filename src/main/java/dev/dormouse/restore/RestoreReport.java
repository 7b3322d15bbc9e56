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
        long auditMillis,
        long pagesPlacedAgain,
        long workingSetPages,
        @Nullable Double workingSetHitRate,
        @Nullable Double wantedShare,
        List<String> placement,
        String placementReason) {
    /// Of a restore that had nothing left to do.
    public static final RestoreReport NOTHING =
            new RestoreReport(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, null, null, List.of(), "");

    public RestoreReport {
        placement = List.copyOf(placement);
    }
}
