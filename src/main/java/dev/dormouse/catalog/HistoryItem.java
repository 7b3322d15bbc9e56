package dev.dormouse.catalog;

import io.avaje.jsonb.Json;
import org.jspecify.annotations.Nullable;

/// Something that was done with a VM, and what it came to. What is not known is null: of what was done without the
/// daemon only what the files of the home tell.
///
/// @param id counts up; 0 before it is in the catalog
/// @param time when it ended, ISO 8601
/// @param kind `start`, `stop`, `suspend`, `resume` or `checkpoint`
/// @param outcome `succeeded`, `failed` or `cancelled`
/// @param source who did it: `daemon`, or `command` without the daemon
/// @param operation its id
/// @param error one line
/// @param durationMillis from its begin to its end
/// @param guestRunsMillis of a resume: from its begin until the guest ran
/// @param responsiveMillisEstimate of a resume: from its begin until the guest hardly waited for pages any more;
///     as far as that can be told from outside of the guest
/// @param pausedMillis of a suspend or checkpoint: for how long the guest stood still
/// @param image id of the image that was made or read
/// @param storedBytes, duplicateBytes, onDiskBytes of the memory that is not zero: what is in the image, before
///     compression; what is there as another page; what is on the VM's disks
/// @param demandedPages of a resume: non-zero pages of 4096 bytes that the guest waited for
/// @param prefetchedPages the others
/// @param demandMicrosP50, demandMicrosP99 within which time half of them, 99 of 100, were there
@Json
public record HistoryItem(
        long id,
        String vm,
        String time,
        String kind,
        String outcome,
        String source,
        @Nullable String operation,
        @Nullable String error,
        @Nullable String image,
        @Nullable Long durationMillis,
        @Nullable Long guestRunsMillis,
        @Nullable Long responsiveMillisEstimate,
        @Nullable Long pausedMillis,
        @Nullable Long imageBytes,
        @Nullable Long memoryBytes,
        @Nullable Long nonZeroBytes,
        @Nullable Long storedBytes,
        @Nullable Long duplicateBytes,
        @Nullable Long onDiskBytes,
        @Nullable Long demandedPages,
        @Nullable Long prefetchedPages,
        @Nullable Long demandMicrosP50,
        @Nullable Long demandMicrosP99) {}
