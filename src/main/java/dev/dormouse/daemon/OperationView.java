package dev.dormouse.daemon;

import io.avaje.jsonb.Json;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// An operation at one moment, as the API shows it.
///
/// @param kind `start`, `stop`, `suspend`, `resume` or `checkpoint`
/// @param state `queued`, `running`, `succeeded`, `failed` or `cancelled`
/// @param created, started, ended ISO 8601
/// @param position in the queue, from 1; null unless queued
/// @param startsInSeconds about how long it still waits in the queue; null if unknown
/// @param step what it is doing, in words
/// @param guestRunsMillis of a resume: from its start until the guest ran; its memory may still follow
/// @param responsiveMillisEstimate of a resume that has ended: from its start until the guest hardly waited for
///     pages any more, as its report has it
/// @param done, total bytes captured by a suspend, or restored by a resume
/// @param stalledReason why a page cannot be served, while that is so
/// @param result what a suspend, checkpoint or resume came to, with the figures of the command's `--json`
/// @param continuedBy of a resume that was under way when its daemon ended: the operation of the next daemon that
///     carries on with it
@Json
public record OperationView(
        String id,
        String kind,
        String vm,
        String state,
        String created,
        @Nullable String started,
        @Nullable String ended,
        @Nullable Integer position,
        @Nullable Long startsInSeconds,
        @Nullable String step,
        @Nullable Long guestRunsMillis,
        @Nullable Long responsiveMillisEstimate,
        @Nullable Long done,
        @Nullable Long total,
        @Nullable String stalledReason,
        @Nullable Map<String, Object> result,
        @Nullable Problem error,
        @Nullable String continuedBy) {
    /// Some of the operations, the newest first.
    @Json
    public record Page(List<OperationView> items, @Nullable String next) {}
}
