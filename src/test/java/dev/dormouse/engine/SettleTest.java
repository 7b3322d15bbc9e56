package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Command;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.RestoreRecord.Phase;
import dev.dormouse.qmp.BlockJobs;
import dev.dormouse.qmp.CommitJob;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Each row of the table in `docs/states.md`: what a crash of ours can leave, made by hand with a real
/// QEMU that has no guest, and what the next operation makes of it.
@Tag("qemu")
class SettleTest {
    private static final Duration LONG = EngineFixture.LONG;

    @TempDir
    Path folder;

    private EngineFixture fixture;
    private Vm vm;

    @BeforeEach
    void start() throws Exception {
        fixture = new EngineFixture(folder);
        fixture.startWithoutGuest("vm1");
        vm = fixture.vm("vm1");
    }

    @AfterEach
    void end() throws IOException {
        fixture.close();
    }

    private VmRecord settle() throws IOException {
        new Settle(fixture.home, fixture.engine.tools(), vm).run();
        VmRecord once = vm.record();
        new Settle(fixture.home, fixture.engine.tools(), vm).run();
        assertThat(vm.record()).as("settled a second time").isEqualTo(once);
        return once;
    }

    private QmpClient qmp() throws IOException {
        return QmpClient.connect(vm.sockets().qmp(), LONG, fixture.process("vm1"));
    }

    private void kill() throws IOException {
        fixture.process("vm1").kill();
    }

    /// As a capture begins: overlays made, the state recorded.
    private VmRecord beginCapture(VmState kind) throws IOException {
        VmRecord before = vm.record();
        var overlays = Overlays.create(fixture.engine.tools().images(), vm, vm.config(), before);
        Files.write(fixture.home.images().resolve("i1.dormouse.0123abcd.tmp"), new byte[9]);
        return vm.enter(kind, before.withImage("i1", overlays).withGeneration(1));
    }

    private void publish() throws IOException {
        Files.write(fixture.home.image("i1"), new byte[9]);
    }

    private void assertRunsOnItsDisk(VmRecord record) throws IOException {
        assertThat(record.state()).isEqualTo(VmState.RUNNING);
        assertThat(record.image()).isNull();
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw");
        assertThat(fixture.diskFiles("vm1")).isEmpty();
        assertThat(fixture.leftovers()).isEmpty();
        try (QmpClient qmp = qmp()) {
            assertThat(qmp.execute("query-status").get("status")).isEqualTo("running");
        }
    }

    @Test
    void aRunningVmWithoutQemuIsStopped() throws Exception {
        kill();

        assertThat(settle().state()).isEqualTo(VmState.STOPPED);
        assertThat(vm.record().qemu()).isNull();
    }

    /// With a guest that was not told to go on yet.
    private VmRecord cutOffABootWithoutTheMemory(VmState recorded) throws Exception {
        fixture.suspend("vm1");
        VmRecord suspended = vm.record();
        var starter = new QemuStarter(fixture.engine.tools(), vm);
        QemuProcess qemu = starter.startPaused(vm.config(), suspended.chains());
        starter.connect(qemu).close();
        return recorded == VmState.RUNNING ? vm.enter(recorded, suspended.withQemu(ProcessRef.of(qemu))) : suspended;
    }

    @Test
    void aBootWithoutTheMemoryThatWasRecordedGoesOn() throws Exception {
        cutOffABootWithoutTheMemory(VmState.RUNNING);

        assertRunsOnItsDisk(settle());
        assertThat(fixture.engine.images().ids()).isEmpty();
    }

    @Test
    void aBootWithoutTheMemoryWhoseQemuDiedIsStopped() throws Exception {
        cutOffABootWithoutTheMemory(VmState.RUNNING);
        kill();

        assertThat(settle().state()).isEqualTo(VmState.STOPPED);
        assertThat(vm.record().image()).isNull();
        assertThat(fixture.engine.images().ids()).isEmpty();
        assertThat(fixture.diskFiles("vm1")).isEmpty();
    }

    @Test
    void aBootWithoutTheMemoryThatWasNotRecordedIsUndone() throws Exception {
        VmRecord suspended = cutOffABootWithoutTheMemory(VmState.SUSPENDED);

        assertThat(settle()).isEqualTo(suspended);
        assertThat(Standby.ofPidFile(vm.sockets())).isEmpty();
        fixture.resume("vm1");
        assertRunsOnItsDisk(vm.record());
    }

    @Test
    void aBootWithoutTheMemoryThatFailsKeepsTheMemory() throws Exception {
        fixture.suspend("vm1");
        VmRecord suspended = vm.record();
        Path disk = Path.of(suspended.chains().getFirst().top().path());
        Path elsewhere = Files.move(disk, disk.resolveSibling("elsewhere"));
        assertThatThrownBy(() -> fixture.engine.start("vm1", true))
                .hasMessage("vm vm1: start failed: " + disk + ": disk layer is missing, put it back where it was");
        assertThat(vm.record()).isEqualTo(suspended);
        Files.createDirectory(disk); // Is there, but no disk.
        assertThatThrownBy(() -> fixture.engine.start("vm1", true)).hasMessageStartingWith("vm vm1: start failed: ");
        assertThat(vm.record().withQemu(null).image()).isEqualTo(suspended.image());
        assertThat(vm.record().state()).isEqualTo(VmState.SUSPENDED);

        Files.delete(disk);
        Files.move(elsewhere, disk);
        fixture.resume("vm1");
        assertRunsOnItsDisk(vm.record());
    }

    @Test
    void aStoppedVmWhoseStartWasCutOffIsRunning() throws Exception {
        QemuProcess qemu = fixture.process("vm1");
        vm.enter(VmState.STOPPED, vm.record().withQemu(null));

        VmRecord settled = settle();

        assertThat(settled.state()).isEqualTo(VmState.RUNNING);
        assertThat(settled.qemu()).isEqualTo(ProcessRef.of(qemu));
    }

    @ParameterizedTest
    @EnumSource(names = {"SUSPENDING", "CHECKPOINTING"})
    void aCaptureWithoutImageLetsTheVmRunOn(VmState kind) throws Exception {
        beginCapture(kind);
        try (QmpClient qmp = qmp()) {
            qmp.execute("stop");
        }

        assertRunsOnItsDisk(settle());
    }

    @ParameterizedTest
    @EnumSource(names = {"SUSPENDING", "CHECKPOINTING"})
    void aCaptureWithoutImageAndQemuLeavesTheVmStopped(VmState kind) throws Exception {
        beginCapture(kind);
        kill();

        assertThat(settle().state()).isEqualTo(VmState.STOPPED);
        assertThat(vm.record().image()).isNull();
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw");
        assertThat(fixture.diskFiles("vm1")).isEmpty();
        assertThat(fixture.leftovers()).isEmpty();
    }

    @Test
    void aSuspendWithAnImageEndsItsQemu() throws Exception {
        QemuProcess qemu = fixture.process("vm1");
        beginCapture(VmState.SUSPENDING);
        publish();

        VmRecord settled = settle();

        assertThat(settled.state()).isEqualTo(VmState.SUSPENDED);
        assertThat(settled.image()).isEqualTo("i1");
        assertThat(settled.qemu()).isNull();
        assertThat(qemu.isAlive()).isFalse();
        assertThat(fixture.diskFiles("vm1")).containsExactly("disk0-1.qcow2");
    }

    @Test
    void aSuspendWithAnImageAndNoQemuIsSuspended() throws Exception {
        beginCapture(VmState.SUSPENDING);
        publish();
        kill();

        assertThat(settle().state()).isEqualTo(VmState.SUSPENDED);
    }

    @Test
    void aSuspendedVmWhoseQemuWasNotYetEndedHasNone() throws Exception {
        QemuProcess qemu = fixture.process("vm1");
        VmRecord during = beginCapture(VmState.SUSPENDING);
        publish();
        vm.enter(VmState.SUSPENDED, during);

        assertThat(settle().qemu()).isNull();
        assertThat(qemu.isAlive()).isFalse();
    }

    /// The snapshot was taken and the image published, nothing of it recorded.
    @Test
    void aCheckpointWithAnImageRunsOnAboveItsOverlays() throws Exception {
        VmRecord before = vm.record();
        String image = fixture.checkpoint("vm1").image();
        VmRecord after = vm.record();
        var overlays = List.of(after.chains().getFirst().top());
        vm.enter(VmState.CHECKPOINTING, after.withChains(before.chains()).withImage(image, overlays));
        try (QmpClient qmp = qmp()) {
            qmp.execute("stop");
        }

        VmRecord settled = settle();

        assertThat(settled.state()).isEqualTo(VmState.RUNNING);
        assertThat(settled.chains()).isEqualTo(after.chains());
        assertThat(settled.generation()).isEqualTo(1);
        assertThat(fixture.home.imageIds()).containsExactly(image);
        assertThat(fixture.diskFiles("vm1")).containsExactly("disk0-1.qcow2");
    }

    @Test
    void aCheckpointWithAnImageAndNoQemuIsStoppedAboveItsOverlays() throws Exception {
        beginCapture(VmState.CHECKPOINTING);
        publish();
        kill();

        assertThat(settle().state()).isEqualTo(VmState.STOPPED);
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw", "disk0-1.qcow2");
        assertThat(fixture.home.imageIds()).containsExactly("i1");
    }

    /// As a resume is at this phase, its QEMU waiting for the migration.
    private VmRecord beginRestore(Phase phase) throws IOException {
        fixture.suspend("vm1");
        VmRecord suspended = vm.record();
        QemuProcess qemu = new QemuStarter(fixture.engine.tools(), vm)
                .start(vm.config(), suspended.chainsWithOverlays(), phase.compareTo(Phase.COMPLETE) < 0);
        var reference = ProcessRef.of(qemu);
        vm.save(restoreRecord(suspended, phase).withQemu(reference));
        VmRecord record = vm.enter(VmState.RESTORING, suspended.withQemu(reference));
        try (QmpClient qmp = qmp()) {
            qmp.execute("query-status");
        }
        return record;
    }

    @Test
    void aRestoreWithoutAPageServerCanBeGivenUp() throws Exception {
        beginRestore(Phase.RUNNING);
        QemuProcess qemu = fixture.process("vm1");

        assertThatThrownBy(() -> fixture.engine.stop("vm1", false, LONG, OperationListener.NONE))
                .hasMessage("vm vm1: its restore was cut off and cannot be carried on: its QEMU waits for no pages, but"
                        + " its migration is 'none' and not completed; 'dormouse stop --force vm1' gives it up");
        VmStatus status = fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);

        assertThat(status.state()).isEqualTo("suspended");
        assertThat(qemu.isAlive()).isFalse();
        fixture.resume("vm1");
        assertThat(fixture.state("vm1")).isEqualTo("running");
    }

    /// Between the look at who needs the image and its removal somebody could begin to need it.
    @Test
    void removesASuspendedVmOnlyWhileNobodyElseDecidesAboutImages() throws Exception {
        fixture.suspend("vm1");
        var removal = new FutureTask<@Nullable Void>(() -> {
            fixture.engine.remove("vm1", true);
            return null;
        });
        try (ImagesLock _ = ImagesLock.acquire(fixture.home)) {
            Thread thread = Thread.ofPlatform().start(removal);

            assertThat(thread.join(Duration.ofSeconds(1))).isFalse();
            assertThat(fixture.home.imageIds()).hasSize(1);
        }
        removal.get(LONG.toSeconds(), TimeUnit.SECONDS);
        assertThat(fixture.home.imageIds()).isEmpty();
    }

    static RestoreRecord restoreRecord(VmRecord record, Phase phase) throws IOException {
        String image = record.image();
        if (image == null) {
            throw new IllegalStateException("not suspended");
        }
        return new RestoreRecord(
                image,
                phase,
                false,
                false,
                null,
                ProcessRef.self(),
                "",
                "",
                2,
                List.of(),
                List.of(),
                record.overlays(),
                false);
    }

    @ParameterizedTest
    @EnumSource(names = {"STARTING", "HANDSHAKE"})
    void aRestoreWhoseGuestCannotHaveRunIsSuspendedAgain(Phase phase) throws Exception {
        VmRecord restoring = beginRestore(phase);
        QemuProcess qemu = fixture.process("vm1");
        if (phase == Phase.STARTING) {
            vm.save(restoring.withQemu(null)); // Cut off before the process was recorded.
        }

        assertThat(settle().state()).isEqualTo(VmState.SUSPENDED);
        assertThat(qemu.isAlive()).isFalse();
        assertThat(vm.restoreRecord()).isEmpty();
        fixture.resume("vm1");
        assertThat(fixture.state("vm1")).isEqualTo("running");
    }

    @Test
    void aRestoreWhoseGuestHasWrittenNothingIsSuspendedAgain() throws Exception {
        beginRestore(Phase.RUNNING);
        kill();

        assertThat(settle().state()).isEqualTo(VmState.SUSPENDED);
        assertThat(vm.record().qemu()).isNull();
    }

    @Test
    void aResumeThatStartsOverHasNotCarriedOnWithTheOneBeforeIt() throws Exception {
        beginRestore(Phase.RUNNING);
        kill();

        fixture.resume("vm1");

        assertThat(fixture.engine.commandsDone("vm1").getLast().kind()).isEqualTo("resume");
        assertThat(fixture.engine.commandsDone("vm1").getLast().carriedOn()).isFalse();
    }

    @Test
    void aRestoreWhoseGuestHasWrittenIsCrashed() throws Exception {
        VmRecord restoring = beginRestore(Phase.RUNNING);
        kill();
        write(Path.of(restoring.overlays().getFirst().path()));

        VmRecord settled = settle();

        assertThat(settled.state()).isEqualTo(VmState.CRASHED);
        assertThat(settled.image()).isEqualTo(restoring.image());
        assertThat(fixture.home.imageIds()).containsExactly(restoring.image());
    }

    /// A return to the image was cut off before it was recorded.
    @Test
    void aCrashedVmWhoseChangesWereJustSetAsideHasThemBack() throws Exception {
        VmRecord restoring = beginRestore(Phase.RUNNING);
        Path overlay = Path.of(restoring.overlays().getFirst().path());
        kill();
        write(overlay);
        assertThat(settle().state()).isEqualTo(VmState.CRASHED);
        Path older = Files.createFile(overlay.resolveSibling(overlay.getFileName() + ".aside-2025"));
        byte[] written = Files.readAllBytes(overlay);
        Files.move(overlay, overlay.resolveSibling(overlay.getFileName() + ".aside-2026"));

        VmRecord settled = settle();

        assertThat(settled.state()).isEqualTo(VmState.CRASHED);
        assertThat(Files.readAllBytes(overlay)).isEqualTo(written);
        assertThat(older).exists();
    }

    private void write(Path overlay) throws IOException {
        Path program = fixture.engine.tools().qemu().imageTool().resolveSibling("qemu-io");
        Command.run(List.of(program.toString(), "-f", "qcow2", "-c", "write -P 7 0 64k", overlay.toString()), LONG);
    }

    @Test
    void aRestoreThatWasCompleteRunsAboveItsOverlays() throws Exception {
        VmRecord restoring = beginRestore(Phase.COMPLETE);

        VmRecord settled = settle();

        assertThat(settled.state()).isEqualTo(VmState.RUNNING);
        assertThat(settled.chains()).isEqualTo(restoring.chainsWithOverlays());
        assertThat(vm.restoreRecord()).isEmpty();
        assertThat(fixture.home.imageIds()).containsExactly(restoring.image());
    }

    /// As a completion is when it begins to merge.
    private VmRecord beginMerge() throws IOException {
        VmRecord restoring = beginRestore(Phase.MERGING);
        return vm.enter(
                VmState.RUNNING,
                restoring.withChains(restoring.chainsWithOverlays()).withImage(null, List.of()));
    }

    @Test
    void aMergeThatHadNotBegunLeavesTheVmOnItsOverlay() throws Exception {
        VmRecord merging = beginMerge();

        assertThat(settle().chains()).isEqualTo(merging.chains());
        assertThat(fixture.home.imageIds()).isEmpty();
        assertThat(vm.restoreRecord()).isEmpty();
        assertThat(fixture.diskFiles("vm1")).containsExactly("disk0-1.qcow2");
    }

    private static CommitJob pendingJob(QmpClient qmp) throws IOException {
        CommitJob job = new BlockJobs(qmp).startCommit("merge-disk0", "disk0-layer1", "disk0-layer0");
        job.awaitReady(LONG);
        job.complete(LONG);
        return job;
    }

    private void recordBase(VmRecord merging) throws IOException {
        BackingChain base = merging.chains().getFirst().withoutTop();
        vm.save(merging.withChains(List.of(base)));
    }

    @Test
    void aMergeCutOffBeforeItsRecordIsCalledOff() throws Exception {
        VmRecord merging = beginMerge();
        try (QmpClient qmp = qmp()) {
            pendingJob(qmp);
        }

        assertThat(settle().chains()).isEqualTo(merging.chains());
        try (QmpClient qmp = qmp()) {
            assertThat(new BlockJobs(qmp).query()).isEmpty();
            assertThat(Overlays.isInUse(qmp, "disk0-layer1")).isTrue();
        }
    }

    @Test
    void aMergeCutOffAfterItsRecordIsFinished() throws Exception {
        VmRecord merging = beginMerge();
        try (QmpClient qmp = qmp()) {
            pendingJob(qmp);
        }
        recordBase(merging);

        assertRunsOnItsDisk(settle());
        fixture.suspend("vm1");
        fixture.resume("vm1");
        assertRunsOnItsDisk(vm.record());
    }

    @Test
    void aMergeCutOffBeforeItsOverlayWasDeletedIsFinished() throws Exception {
        VmRecord merging = beginMerge();
        try (QmpClient qmp = qmp()) {
            CommitJob job = pendingJob(qmp);
            recordBase(merging);
            job.finalizeJob(LONG);
        }

        assertRunsOnItsDisk(settle());
        assertThat(fixture.checkpoint("vm1").image()).startsWith("vm1-");
    }

    /// The record names the base, but the job was lost: the guest never left the overlay.
    @Test
    void aRecordOfAMergeThatDidNotHappenIsTakenBack() throws Exception {
        VmRecord merging = beginMerge();
        recordBase(merging);

        assertThat(settle().chains()).isEqualTo(merging.chains());
        assertThat(fixture.diskFiles("vm1")).containsExactly("disk0-1.qcow2");
    }

    @Test
    void aMergeCutOffWithItsQemuFollowsTheRecord() throws Exception {
        VmRecord merging = beginMerge();
        recordBase(merging);
        kill();

        assertThat(settle().state()).isEqualTo(VmState.STOPPED);
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw");
        assertThat(fixture.diskFiles("vm1")).isEmpty();
    }

    /// How far a merge is, each step after the one before.
    enum MergeStep {
        STARTED,
        READY,
        PENDING,
        RECORDED,
        FINALIZED,
        CLOSED,
        DELETED
    }

    /// A merge of an overlay that the guest has written, up to a step.
    private VmRecord mergeUpTo(MergeStep last) throws IOException {
        VmRecord merging = beginMerge();
        try (QmpClient qmp = qmp()) {
            MachineDeathContract.hmp(qmp, "write -P 7 0 64k");
            MachineDeathContract.hmp(qmp, "flush");
            CommitJob job = new BlockJobs(qmp).startCommit("merge-disk0", "disk0-layer1", "disk0-layer0");
            for (MergeStep step : EnumSet.range(MergeStep.STARTED, last)) {
                merge(step, qmp, job, merging);
            }
        }
        return merging;
    }

    private void merge(MergeStep step, QmpClient qmp, CommitJob job, VmRecord merging) throws IOException {
        switch (step) {
            case STARTED -> {}
            case READY -> job.awaitReady(LONG);
            case PENDING -> job.complete(LONG);
            case RECORDED -> {
                vm.storage().force(folder.resolve("disk.raw"));
                recordBase(merging);
            }
            case FINALIZED -> {
                job.finalizeJob(LONG);
                job.dismiss();
            }
            case CLOSED -> Overlays.deleteNode(qmp, "disk0-layer1");
            case DELETED ->
                Files.delete(Path.of(merging.chains().getFirst().top().path()));
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"STARTED", "READY", "CLOSED", "DELETED"})
    void aMergeCutOffAtAStepKeepsWhatTheGuestWrote(MergeStep step) throws Exception {
        VmRecord merging = mergeUpTo(step);

        VmRecord settled = settle();

        boolean merged = step.compareTo(MergeStep.RECORDED) >= 0;
        assertThat(settled.chains())
                .isEqualTo(merged ? List.of(merging.chains().getFirst().withoutTop()) : merging.chains());
        try (QmpClient qmp = qmp()) {
            MachineDeathContract.hmp(qmp, "read -P 7 0 64k");
            assertThat(Overlays.isInUse(qmp, merged ? "disk0-layer0" : "disk0-layer1"))
                    .isTrue();
            assertThat(new BlockJobs(qmp).query()).isEmpty();
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"READY", "PENDING", "FINALIZED", "DELETED"})
    void aMergeCutOffAtAStepWithItsQemuKeepsWhatTheGuestWrote(MergeStep step) throws Exception {
        VmRecord merging = mergeUpTo(step);
        kill();

        VmRecord settled = settle();

        boolean merged = step.compareTo(MergeStep.RECORDED) >= 0;
        assertThat(settled.state()).isEqualTo(VmState.STOPPED);
        assertThat(fixture.diskFiles("vm1")).hasSize(merged ? 0 : 1);
        Layer top = settled.chains().getFirst().top();
        assertThat(top).isEqualTo(merging.chains().getFirst().layers().get(merged ? 0 : 1));
        Path program = fixture.engine.tools().qemu().imageTool().resolveSibling("qemu-io");
        String said = Command.run(
                List.of(program.toString(), "-f", top.format().qemuName(), "-c", "read -P 7 0 64k", top.path()), LONG);
        assertThat(said).doesNotContain("verification failed");
    }
}
