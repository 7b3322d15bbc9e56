package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Merges a real overlay of 2 MiB into its base.
@Tag("qemu")
@Timeout(120)
class BlockJobsQemuTest {
    @TempDir
    Path directory;

    private LiveQemu qemu;
    private BlockJobs jobs;

    @BeforeEach
    void startQemuOnAnOverlay() throws IOException {
        Path base = directory.resolve("base.qcow2");
        Path overlay = directory.resolve("overlay.qcow2");
        run("qemu-img", "create", "-q", "-f", "qcow2", base.toString(), "8M");
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.toString(), "-F", "qcow2", overlay.toString());
        run("qemu-io", "-f", "qcow2", "-c", "write -q -P 7 0 2M", overlay.toString());
        qemu = LiveQemu.start(
                directory,
                "-machine",
                "q35,accel=tcg",
                "-blockdev",
                "driver=file,node-name=base-file,filename=" + base,
                "-blockdev",
                "driver=qcow2,node-name=base,file=base-file",
                "-blockdev",
                "driver=qcow2,node-name=top,backing=base,file.driver=file,file.filename=" + overlay,
                "-device",
                "virtio-blk-pci,drive=top,id=disk");
        jobs = new BlockJobs(qemu.qmp);
    }

    @AfterEach
    void stopQemu() throws IOException {
        qemu.close();
    }

    @Test
    void callsTheHookBetweenPendingAndThePivot() throws IOException {
        List<String> seen = new ArrayList<>();

        jobs.merge("m0", "top", "base", LiveQemu.BOUND, () -> {
            seen.add(String.valueOf(jobs.status("m0").orElseThrow().get("status")));
            seen.add(nodeOfTheDisk());
        });

        assertThat(seen).containsExactly("pending", "top");
        assertThat(nodeOfTheDisk()).isEqualTo("base");
        assertThat(jobs.query()).isEmpty();
        qemu.qmp.execute("quit");
        assertThat(qemu.process.awaitExit(LiveQemu.BOUND)).isTrue();
        run(
                "qemu-io",
                "-f",
                "qcow2",
                "-r",
                "-c",
                "read -q -P 7 0 2M",
                directory.resolve("base.qcow2").toString());
    }

    @Test
    void leavesTheGuestOnTheOverlayWhenTheHookFails() throws IOException {
        assertThatThrownBy(() -> jobs.merge("m0", "top", "base", LiveQemu.BOUND, () -> {
                    throw new IOException("the record could not be written");
                }))
                .hasMessage("the record could not be written")
                .hasNoSuppressedExceptions();

        assertThat(nodeOfTheDisk()).isEqualTo("top");
        assertThat(jobs.query()).isEmpty();
    }

    @Test
    void cancelsInEveryState() throws IOException {
        CommitJob ready = jobs.startCommit("m0", "top", "base");
        ready.awaitReady(LiveQemu.BOUND);
        ready.cancel(LiveQemu.BOUND);
        CommitJob pending = jobs.startCommit("m1", "top", "base");
        pending.awaitReady(LiveQemu.BOUND);
        pending.complete(LiveQemu.BOUND);
        assertThat(pending.status()).isEqualTo("pending");
        pending.cancel(LiveQemu.BOUND);
        pending.cancel(LiveQemu.BOUND); // Nothing is left to cancel.

        assertThat(pending.status()).isEqualTo("null");
        assertThat(nodeOfTheDisk()).isEqualTo("top");
    }

    @Test
    void refusesToFinalizeAJobThatIsNotPending() throws IOException {
        CommitJob job = jobs.startCommit("m0", "top", "base");
        job.awaitReady(LiveQemu.BOUND);

        assertThatThrownBy(() -> job.finalizeJob(LiveQemu.BOUND))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("block job m0 is ready, pending is needed to finalize");
        assertThat(jobs.find("m0").orElseThrow().status()).isEqualTo("ready");
        assertThat(jobs.find("m1")).isEmpty();
    }

    @Test
    void saysThatQemuRefusesToStartOnAnUnknownNode() {
        assertThatThrownBy(() -> jobs.startCommit("m0", "top", "nobody"))
                .isInstanceOf(QmpException.class)
                .hasMessageStartingWith("QMP command 'block-commit': QEMU refused it: ")
                .hasMessageContaining("nobody");
    }

    @Test
    void reportsTheErrorOfAJobThatFailsAndForgetsIt() throws IOException {
        // A base file that may not grow: the file-size limit of the process is lowered under it.
        run("prlimit", "--pid", Long.toString(qemu.process.pid()), "--fsize=1048576");

        assertThatThrownBy(() -> jobs.merge("m0", "top", "base", LiveQemu.BOUND, () -> {}))
                .isInstanceOf(QemuException.class)
                .hasMessage("block job m0: failed: File too large, the guest stays on its overlay");
        assertThat(jobs.query()).isEmpty();
        assertThat(nodeOfTheDisk()).isEqualTo("top");
    }

    private String nodeOfTheDisk() throws IOException {
        Map<?, ?> inserted =
                (Map<?, ?>) qemu.qmp.executeForList("query-block").getFirst().get("inserted");
        return String.valueOf(inserted.get("node-name"));
    }

    private static void run(String... argv) throws IOException {
        ToolRun run = ToolRun.of(List.of(argv), Duration.ofSeconds(20));
        assertThat(run.status()).as(run.output()).isZero();
        assertThat(run.output()).doesNotContain("Pattern verification failed");
    }
}
