package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.image.ImageReader;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.restore.RestoreStep;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Operations that are cut off, on a VM whose guest says afterwards what it has lost: nothing.
@Tag("qemu")
class InterruptionTest {
    private static final Duration LONG = EngineFixture.LONG;

    @TempDir
    Path folder;

    /// Runs something once, in the operation's thread.
    private abstract static class Once implements OperationListener {
        private final AtomicBoolean done = new AtomicBoolean();

        abstract void act() throws IOException;

        final void once() {
            if (done.compareAndSet(false, true)) {
                try {
                    act();
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
        }
    }

    private interface Action {
        void run() throws IOException;
    }

    private static OperationListener onCaptured(Action action) {
        return new Once() {
            @Override
            void act() throws IOException {
                action.run();
            }

            @Override
            public void captured(long bytes, long totalBytes) {
                once();
            }
        };
    }

    @Test
    void aVmWhoseCaptureIsCancelledRunsOn() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            var cancellation = new Cancellation();

            assertThatThrownBy(() -> fixture.engine.suspend("vm1", onCaptured(cancellation::cancel), cancellation))
                    .hasMessage("vm vm1: cancelled, the VM runs on");

            assertRunsOn(fixture);
            fixture.suspend("vm1");
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    private static void assertRunsOn(EngineFixture fixture) throws Exception {
        assertThat(fixture.state("vm1")).isEqualTo("running");
        CheckpointTest.verify(fixture, "vm1");
        assertThat(fixture.diskFiles("vm1")).isEmpty();
        assertThat(EngineFixture.fileNames(fixture.home.images())).isEmpty();
        assertThat(fixture.leftovers()).isEmpty();
    }

    @Test
    void aVmRunsOnWhenTheDiskIsFullAndIsSuspendedWhenThereIsSpace() throws Exception {
        Path mount = Files.createDirectory(folder.resolve("home"));
        mountSmall(mount, "24m");
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);

            assertThatThrownBy(() -> fixture.suspend("vm1"))
                    .hasMessageMatching(
                            "vm vm1: " + mount + "/images/vm1-[0-9-]+\\.dormouse: cannot be written at byte \\d+: "
                                    + "No space left on device; the VM runs on");

            assertRunsOn(fixture);
            Command.run(List.of("mount", "-o", "remount,size=300m", mount.toString()), LONG);
            fixture.suspend("vm1");
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        } finally {
            Command.run(List.of("umount", "--lazy", mount.toString()), LONG);
        }
    }

    private static void mountSmall(Path mount, String size) throws IOException {
        var result = Command.tryRun(
                List.of("mount", "-t", "tmpfs", "-o", "size=" + size, "dormouse-test", mount.toString()), LONG);
        Assumptions.assumeTrue(result.exitCode() == 0, "only root may mount a small file system");
    }

    @Test
    void aVmWhoseQemuDiesInItsCaptureBootsWithItsFiles() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            var qemu = fixture.process("vm1");

            assertThatThrownBy(() -> fixture.engine.suspend("vm1", onCaptured(qemu::kill), new Cancellation()))
                    .hasMessage("vm vm1: QEMU died while its memory was captured, "
                            + "'dormouse start vm1' boots it again from its disks");

            assertThat(fixture.state("vm1")).isEqualTo("stopped");
            assertThat(fixture.diskFiles("vm1")).isEmpty();
            assertThat(EngineFixture.fileNames(fixture.home.images())).isEmpty();
            fixture.start("vm1");
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.check("one", 7, 256, LONG);
            }
        }
    }

    /// The restore starts over once; a QEMU that dies again is a matter for a person.
    @ParameterizedTest(name = "{0}")
    @EnumSource(
            value = RestoreStep.class,
            names = {"STARTED", "LAUNCHED"})
    void aVmWhoseQemuDiesTwiceBeforeItWritesIsSuspendedAsBefore(RestoreStep step) throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            fixture.suspend("vm1");

            assertThatThrownBy(() -> fixture.engine.resume("vm1", ResumeOptions.DEFAULT, new OperationListener() {
                        @Override
                        public void reached(RestoreStep done) {
                            if (done == step) {
                                killQemu(fixture);
                            }
                        }
                    }))
                    .hasMessageMatching("vm vm1: resume failed: QEMU process \\d+: it ended with status 137, "
                            + ".*; nothing is lost, 'dormouse resume vm1' tries again");

            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    private static void killQemu(EngineFixture fixture) {
        try {
            fixture.process("vm1").kill();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /// The guest writes a file after it was resumed, then its QEMU is killed.
    private static void crash(EngineFixture fixture) throws Exception {
        CheckpointTest.bootWithPattern(fixture);
        fixture.suspend("vm1");
        var running = new CountDownLatch(1);
        CompletableFuture<Void> killer = CompletableFuture.runAsync(() -> {
            try (GuestProbe probe = connectWhen(running, fixture)) {
                probe.write("late", 5, 128, LONG);
                fixture.process("vm1").kill();
            } catch (IOException | InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        assertThatThrownBy(() -> fixture.engine.resume("vm1", ChildEngine.slow(), new OperationListener() {
                    @Override
                    public void running() {
                        running.countDown();
                    }
                }))
                .hasMessageMatching(
                        "vm vm1: resume failed: QEMU process \\d+: it ended .*; its disk was written since: "
                                + "'dormouse start vm1' boots the newest files, "
                                + "'dormouse resume --discard-changes vm1' goes back to its image of 20\\S+Z, "
                                + "and what the guest did since, until 20\\S+Z, is lost");
        killer.get(1, TimeUnit.MINUTES);
        assertThat(fixture.state("vm1")).isEqualTo("crashed");
        assertThatThrownBy(() -> fixture.resume("vm1"))
                .hasMessageStartingWith("vm vm1: is crashed, its disk was written since: 'dormouse start vm1' boots");
    }

    private static GuestProbe connectWhen(CountDownLatch running, EngineFixture fixture)
            throws IOException, InterruptedException {
        if (!running.await(1, TimeUnit.MINUTES)) {
            throw new IOException("the guest did not run");
        }
        return fixture.probe("vm1");
    }

    @Test
    void aCrashedVmBootsItsNewestFiles() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            crash(fixture);

            fixture.start("vm1");

            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.check("late", 5, 128, LONG);
                probe.check("one", 7, 256, LONG);
            }
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw", "disk0-1.qcow2");
        }
    }

    @Test
    void aCrashedVmGoesBackToItsImageAndKeepsTheNewerFilesAside() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            crash(fixture);

            var options = new ResumeOptions(false, false, true, ResumeOptions.DEFAULT.restore());
            fixture.engine.resume("vm1", options, OperationListener.NONE);

            CheckpointTest.verify(fixture, "vm1");
            try (GuestProbe probe = fixture.probe("vm1")) {
                assertThatThrownBy(() -> probe.check("late", 5, 128, LONG)).hasMessageContaining("late");
            }
            assertThat(fixture.diskFiles("vm1")).hasSize(1).first().asString().startsWith("disk0-1.qcow2.aside-");
        }
    }

    @Test
    void aSuspendWhileTheRestoreGoesOnWaitsUntilItIsComplete() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            fixture.suspend("vm1");
            try (var child = ChildEngine.start(fixture.home.root(), "slowly", "vm1")) {
                await("the guest runs", () -> child.output().contains("running"));
                assertThat(fixture.state("vm1")).isEqualTo("restoring");
                assertThatThrownBy(() -> fixture.resume("vm1"))
                        .hasMessage(
                                "vm vm1: busy, 'resume' of process " + child.pid() + " is running; wait for it to end");

                fixture.suspend("vm1");

                assertThat(child.await()).isEqualTo("running\ndone");
            }
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");
        }
    }

    /// Two at the same moment: one resumes, the other is told so.
    @Test
    void twoProcessesThatResumeOneVmDoNotHurtIt() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            fixture.suspend("vm1");
            try (var one = ChildEngine.start(fixture.home.root(), "resume", "vm1");
                    var two = ChildEngine.start(fixture.home.root(), "resume", "vm1")) {
                List<String> ends = List.of(one.await(), two.await());

                assertThat(ends).filteredOn(end -> end.endsWith("done")).hasSize(1);
                assertThat(ends)
                        .filteredOn(end -> end.contains("failed"))
                        .singleElement()
                        .asString()
                        .containsPattern(
                                "failed: vm vm1: (busy, 'resume' of process \\d+ is running; wait for it to end"
                                        + "|not suspended, only a suspended VM can be resumed)");
            }
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    @Test
    void aResumeWhosePageServerDiedBeforeTheGuestRanStartsOver() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            fixture.suspend("vm1");
            QemuProcess left;
            try (var child = ChildEngine.start(fixture.home.root(), "resume", "vm1")) {
                await("QEMU is recorded", () -> fixture.record("vm1").qemu() != null);
                left = fixture.process("vm1");
                signal("STOP", left.pid()); // So that it is not restored before the server is gone.
                child.kill();
            }
            signal("CONT", left.pid());
            assertThat(fixture.state("vm1")).isEqualTo("orphaned");

            fixture.resume("vm1");

            CheckpointTest.verify(fixture, "vm1");
            assertThat(fixture.process("vm1").pid()).isNotEqualTo(left.pid());
            assertThat(left.isAlive()).isFalse();
        }
    }

    private static void signal(String name, long pid) throws IOException {
        Command.run(List.of("kill", "-" + name, Long.toString(pid)), LONG);
    }

    interface Condition {
        boolean holds() throws IOException;
    }

    static void await(String what, Condition condition) throws IOException, InterruptedException {
        long end = System.nanoTime() + Duration.ofMinutes(1).toNanos();
        while (!condition.holds()) {
            assertThat(System.nanoTime()).as("waiting until " + what).isLessThan(end);
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    @Test
    void aDamagedPageStallsTheGuestUntilItIsMended() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            long position = middleExtent(image);
            SuspendedVmTest.flip(image, position);
            var stalled = new CompletableFuture<String>();
            CompletableFuture<ResumeResult> resume = CompletableFuture.supplyAsync(() -> resume(fixture, stalled));

            assertThat(stalled.get(1, TimeUnit.MINUTES)).startsWith(image + ": ");
            await("the stall is shown", () -> fixture.state("vm1").equals("stalled"));
            assertThat(fixture.engine.status("vm1").stalledReason()).startsWith(image + ": ");
            SuspendedVmTest.flip(image, position);

            resume.get(2, TimeUnit.MINUTES);
            CheckpointTest.verify(fixture, "vm1");
            assertThat(fixture.state("vm1")).isEqualTo("running");
        }
    }

    static ResumeResult resume(EngineFixture fixture, CompletableFuture<String> stalled) {
        try {
            return fixture.engine.resume("vm1", ResumeOptions.DEFAULT, new OperationListener() {
                @Override
                public void stalled(String reason) {
                    stalled.complete(reason);
                }
            });
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    static long middleExtent(Path image) throws IOException {
        try (ImageReader reader = ImageReader.open(image)) {
            int extent = reader.extentCount() / 2;
            return reader.extentOffset(extent) + reader.extentLengthBytes(extent) / 2;
        }
    }

    @Test
    void anImageOfANewerQemuIsRefusedByAnOlderOne() throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu("10.0"))) {
            CheckpointTest.bootWithPattern(fixture);
            fixture.suspend("vm1");
            Engine older = fixture.engineWith(null);

            assertThatThrownBy(() -> older.resume("vm1", ResumeOptions.DEFAULT, OperationListener.NONE))
                    .hasMessageMatching("vm vm1: resume failed: /\\S+ is QEMU 7\\.2\\.\\d+ .*, image \\S+ needs 10\\.0 "
                            + "or newer; nothing is lost, 'dormouse resume vm1' tries again");

            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        }
    }
}
