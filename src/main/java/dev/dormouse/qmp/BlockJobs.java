package dev.dormouse.qmp;

import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The block jobs of one QEMU. Any thread, but one job belongs to one thread.
public final class BlockJobs {
    private final QmpClient qmp;

    public BlockJobs(QmpClient qmp) {
        this.qmp = qmp;
    }

    /// What has to be durable before the guest moves to the base: `fsync` of the base, the record
    /// "current = base". Guest I/O stands still meanwhile. If it throws, the merge is called off.
    @FunctionalInterface
    public interface PivotHook {
        void beforePivot() throws IOException;
    }

    /// Starts to copy the active overlay into its base, with every later step left to the caller.
    ///
    /// From the first copied cluster the base is neither the checkpoint's state nor the guest's, until
    /// the job is finalized; the overlay stays valid throughout.
    ///
    /// @param topNode node name of the active layer, which a device uses
    public CommitJob startCommit(String jobId, String topNode, String baseNode) throws IOException {
        qmp.execute(
                "block-commit",
                Map.of(
                        "job-id",
                        jobId,
                        "device",
                        topNode,
                        "base-node",
                        baseNode,
                        "on-error",
                        "report",
                        "auto-finalize",
                        false,
                        "auto-dismiss",
                        false));
        return new CommitJob(qmp, this, jobId);
    }

    /// {@return the handle of a job that somebody started before, or empty when QEMU has none of that id}
    public Optional<CommitJob> find(String jobId) throws IOException {
        return status(jobId).map(_ -> new CommitJob(qmp, this, jobId));
    }

    /// Merges the overlay into its base and moves the guest to the base.
    ///
    /// Before the hook has returned, any failure leaves the guest on the overlay and cancels the job. When
    /// finalizing fails ([CommitJob#finalizeJob]), the caller finds out where the guest is.
    ///
    /// @param timeout bound of each of the three waits, not counting the hook
    public void merge(String jobId, String topNode, String baseNode, Duration timeout, PivotHook hook)
            throws IOException {
        CommitJob job = startCommit(jobId, topNode, baseNode);
        try {
            job.awaitReady(timeout);
            job.complete(timeout);
            hook.beforePivot();
        } catch (IOException | RuntimeException e) {
            cancelAfter(e, job, timeout);
            throw e;
        }
        job.finalizeJob(timeout);
        job.dismiss();
    }

    private static void cancelAfter(Exception reason, CommitJob job, Duration timeout) {
        try {
            job.cancel(timeout);
        } catch (IOException e) {
            reason.addSuppressed(e);
        }
    }

    /// {@return all jobs as `query-jobs` lists them}
    public List<Map<String, Object>> query() throws IOException {
        return qmp.executeForList("query-jobs");
    }

    /// {@return the entry of one job, or empty when QEMU has none of that id}
    public Optional<Map<String, Object>> status(String jobId) throws IOException {
        return query().stream().filter(job -> jobId.equals(job.get("id"))).findFirst();
    }
}
