package dev.dormouse.qmp;

import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A live commit on its way: copying, *ready* (overlay and base are kept equal), *pending* (guest I/O is
/// drained, both show the same bytes), *concluded*, dismissed.
///
/// ```
/// startCommit -> awaitReady -> complete -> (record the new base) -> finalizeJob -> dismiss
///            \_____________\___________\_______________________\-> cancel (dismisses too)
/// ```
///
/// QEMU's own list of jobs is the truth; events only shorten the wait. One thread.
public final class CommitJob {
    /// Where no event tells, the state is asked for this often.
    private static final Duration POLL = Duration.ofMillis(250);

    private static final Set<String> READY = Set.of("ready", "standby");
    private static final String PENDING = "pending";
    private static final String CONCLUDED = "concluded";

    private final QmpClient qmp;
    private final BlockJobs jobs;
    private final String id;

    CommitJob(QmpClient qmp, BlockJobs jobs, String id) {
        this.qmp = qmp;
        this.jobs = jobs;
        this.id = id;
    }

    public String id() {
        return id;
    }

    /// {@return QEMU's name of the state: `running`, `ready`, `pending`, `concluded`; `null` once dismissed}
    public String status() throws IOException {
        return jobs.status(id).map(CommitJob::statusOf).orElse("null");
    }

    /// Waits until everything is copied and what the guest writes goes to both.
    ///
    /// @throws QemuException if the job failed; it is dismissed, and the guest is on the overlay as before
    public void awaitReady(Duration timeout) throws IOException {
        await(READY, timeout);
    }

    /// Takes a ready job to pending: from here to [#finalizeJob] or [#cancel] guest I/O stands still.
    ///
    /// @throws QemuException if the job failed; it is dismissed, and the guest is on the overlay as before
    public void complete(Duration timeout) throws IOException {
        control("job-complete");
        await(Set.of(PENDING), timeout);
    }

    /// Moves the guest from the overlay to the base. Needs the state pending, so that nobody can leave
    /// out the record that has to be made there.
    ///
    /// @throws QemuException if the job failed; it is dismissed, and the guest is still on the overlay
    public void finalizeJob(Duration timeout) throws IOException {
        String before = status();
        if (!before.equals(PENDING)) {
            throw new IllegalStateException("block job " + id + " is " + before + ", pending is needed to finalize");
        }
        control("job-finalize");
        Map<String, Object> entry = await(Set.of(CONCLUDED), timeout);
        if (entry.get("error") != null) throw failed(entry);
    }

    /// Has QEMU forget a concluded job.
    public void dismiss() throws IOException {
        control("job-dismiss");
    }

    /// Calls the job off in any state before it is finalized and dismisses it. The guest stays on the
    /// overlay; the base is in part overwritten and must not be used on its own.
    public void cancel(Duration timeout) throws IOException {
        Optional<Map<String, Object>> entry = jobs.status(id);
        if (entry.isEmpty()) return;
        if (!statusOf(entry.get()).equals(CONCLUDED)) {
            control("job-cancel");
            await(Set.of(CONCLUDED), timeout);
        }
        dismiss();
    }

    private void control(String command) throws IOException {
        qmp.execute(command, Map.of("id", id));
    }

    private Map<String, Object> await(Set<String> wanted, Duration timeout) throws IOException {
        long deadline = System.nanoTime() + EventLog.nanos(timeout);
        while (true) {
            long mark = qmp.eventMark(); // Before the question, so that no change falls between them.
            Map<String, Object> entry =
                    jobs.status(id).orElseThrow(() -> new QemuException("block job " + id + ": QEMU no longer has it"));
            String status = statusOf(entry);
            if (wanted.contains(status)) return entry;
            if (status.equals(CONCLUDED)) throw failed(entry);
            long remainingNanos = deadline - System.nanoTime();
            if (remainingNanos <= 0) throw late(status, wanted, timeout);
            Duration wait = Duration.ofNanos(Math.min(remainingNanos, POLL.toNanos()));
            qmp.pollEvent(mark, event -> event.matches("JOB_STATUS_CHANGE", "id", id), wait);
        }
    }

    private QemuException failed(Map<String, Object> entry) throws IOException {
        dismiss();
        return new QemuException("block job " + id + ": failed: " + entry.getOrDefault("error", "without an error")
                + ", the guest stays on its overlay");
    }

    private QmpTimeoutException late(String status, Set<String> wanted, Duration timeout) {
        return new QmpTimeoutException(
                "block job " + id + ": is still " + status + " after " + QmpClient.text(timeout) + ", awaited was "
                        + String.join(" or ", wanted.stream().sorted().toList()));
    }

    private static String statusOf(Map<String, Object> entry) {
        return String.valueOf(entry.get("status"));
    }
}
