package dev.dormouse.engine;

import dev.dormouse.restore.RestoreReport;
import io.avaje.jsonb.Json;

/// What a resume came to. Times count from the call of [Engine#resume].
///
/// @param qemuReadyMillis until QEMU's monitor greeted
/// @param runningMillis until QEMU let the guest run
/// @param completeMillis until every page was placed and the migration ended
/// @param mergedMillis until the overlays were merged, or it was clear that they are not
/// @param pagesOnDemand non-zero pages that the guest waited for
/// @param zeroPagesOnDemand zero pages that it waited for
/// @param pagesPrefetched non-zero pages that were placed unasked
/// @param pagesSkipped zero pages that were never placed
/// @param report what the restore did for its guest
@Json
public record ResumeResult(
        long qemuReadyMillis,
        long runningMillis,
        long completeMillis,
        long mergedMillis,
        long pagesOnDemand,
        long zeroPagesOnDemand,
        long pagesPrefetched,
        long pagesSkipped,
        RestoreReport report) {
    /// {@return the result of one that had nothing left to do but to put the records right}
    static ResumeResult ofSettled() {
        return new ResumeResult(0, 0, 0, 0, 0, 0, 0, 0, RestoreReport.NOTHING);
    }
}
