package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.image.ImageReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A stop that is cancelled, and one by force of a restore whose pages cannot be had.
@Tag("qemu")
@Timeout(300)
class StopTest {
    private static final Duration LONG = EngineFixture.LONG;

    @TempDir
    Path folder;

    @Test
    void leavesTheVmRunningWhenItIsCancelled() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.engine.create(VmRequest.named("vm1").withMemory("64M"));
            fixture.engine.start("vm1", false);
            var cancellation = new Cancellation();
            cancellation.cancel();

            assertThatThrownBy(() -> fixture.engine.stop("vm1", false, LONG, OperationListener.NONE, cancellation))
                    .hasMessage("vm vm1: cancelled, the guest was asked to shut down and may still do so;"
                            + " 'dormouse show vm1' says whether it runs");

            assertThat(fixture.state("vm1")).isEqualTo("running");
            fixture.suspend("vm1");
        }
    }

    /// The guest may shut down after nobody waits for it any more.
    @Test
    void takesAVmWhoseGuestShutDownLaterForStopped() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            fixture.suspend("vm1");
            fixture.resume("vm1");
            fixture.process("vm1").terminate(LONG);

            assertThat(fixture.state("vm1")).isEqualTo("stopped");
            fixture.start("vm1");
        }
    }

    /// Neither a stop nor a suspend waits for ten minutes once nobody wants it any more.
    @Test
    void waitsForARestoreOnlyUntilItIsCancelled() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            long place = damage(image);
            try (var child = stalledRestore(fixture)) {
                var cancellation = new Cancellation();
                cancellation.cancel();

                assertThatThrownBy(() -> fixture.engine.stop("vm1", false, LONG, OperationListener.NONE, cancellation))
                        .hasMessage("vm vm1: cancelled, it is being restored and runs on");
                assertThatThrownBy(() -> fixture.engine.suspend("vm1", OperationListener.NONE, cancellation))
                        .hasMessage("vm vm1: cancelled, the VM runs on");

                SuspendedVmTest.flip(image, place);
                assertThat(child.await()).isEqualTo("running\ndone");
            }
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    /// What stands still is cancelled once it does: before that it would have been complete in a moment.
    @Test
    void leavesARecoveryThatWaitsForAPageWhenItIsCancelled() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            long place = damage(image);
            try (var child = stalledRestore(fixture)) {
                child.kill();
            }

            assertThatThrownBy(() -> stopUntilItStalls(fixture))
                    .hasMessageStartingWith("vm vm1: cancelled, its restore waits for a page: " + image + ": ")
                    .hasMessageEndingWith("; the guest waits as before, 'dormouse resume vm1' tries again");
            assertThat(fixture.state("vm1")).isEqualTo("orphaned");
            assertThatThrownBy(() -> suspendUntilItStalls(fixture))
                    .hasMessageStartingWith("vm vm1: cancelled, its restore waits for a page: " + image + ": ");
            assertThat(fixture.state("vm1")).isEqualTo("orphaned");
            assertThatAnotherFailureIsToldAsSuch(fixture, image);

            SuspendedVmTest.flip(image, place);
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    /// Whoever then wants it by force has it: the daemon takes it for a stop that cannot be had otherwise.
    private static void assertThatAnotherFailureIsToldAsSuch(EngineFixture fixture, Path image) throws IOException {
        var cancellation = new Cancellation();
        cancellation.cancel();
        Path aside = image.resolveSibling("aside");
        Files.move(image, aside);

        assertThatThrownBy(() -> fixture.engine.stop("vm1", false, LONG, OperationListener.NONE, cancellation))
                .isInstanceOf(VmException.class)
                .hasMessageStartingWith("vm vm1: its restore was cut off and cannot be carried on: " + image + ": ")
                .hasMessageEndingWith("; 'dormouse stop --force vm1' gives it up");
        assertThat(fixture.state("vm1")).isEqualTo("orphaned");

        Files.move(aside, image);
    }

    private static void stopUntilItStalls(EngineFixture fixture) throws IOException {
        var cancellation = new Cancellation();
        fixture.engine.stop("vm1", false, LONG, cancellingWhenItStalls(cancellation), cancellation);
    }

    private static void suspendUntilItStalls(EngineFixture fixture) throws IOException {
        var cancellation = new Cancellation();
        fixture.engine.suspend("vm1", cancellingWhenItStalls(cancellation), cancellation);
    }

    private static OperationListener cancellingWhenItStalls(Cancellation cancellation) {
        return new OperationListener() {
            @Override
            public void stalled(String reason) {
                cancellation.cancel();
            }
        };
    }

    @Test
    void givesAStalledRestoreUpAtOnceByForce() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            long place = damage(image);
            try (var child = stalledRestore(fixture)) {
                long startNanos = System.nanoTime();

                VmStatus status = fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);

                assertThat(Duration.ofNanos(System.nanoTime() - startNanos)).isLessThan(Duration.ofSeconds(30));
                assertThat(status.state()).isIn("suspended", "crashed");
                assertThat(child.await()).contains("failed: vm vm1: resume failed: QEMU process");
            }
            assertThatMemoryIsBackOnce(fixture, image, place);
        }
    }

    @Test
    void givesUpByForceWhatNoRecoveryCanPlace() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            long place = damage(image);
            try (var child = stalledRestore(fixture)) {
                child.kill();
            }
            assertThat(fixture.state("vm1")).isEqualTo("orphaned");

            VmStatus status = fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);

            assertThat(status.state()).isIn("suspended", "crashed");
            assertThatMemoryIsBackOnce(fixture, image, place);
        }
    }

    private static ChildEngine stalledRestore(EngineFixture fixture) throws IOException, InterruptedException {
        var child = ChildEngine.start(fixture.home.root(), "resume", "vm1");
        InterruptionTest.await("the restore stalls", () -> fixture.state("vm1").equals("stalled"));
        return child;
    }

    private static void assertThatMemoryIsBackOnce(EngineFixture fixture, Path image, long place) throws Exception {
        SuspendedVmTest.flip(image, place);
        boolean crashed = fixture.state("vm1").equals("crashed");
        var options = new ResumeOptions(false, false, crashed, ResumeOptions.DEFAULT.restore());
        fixture.engine.resume("vm1", options, OperationListener.NONE);
        CheckpointTest.verify(fixture, "vm1");
    }

    /// {@return where a bit was flipped}
    private static long damage(Path image) throws IOException {
        long place;
        try (ImageReader reader = ImageReader.open(image)) {
            int extent = reader.extentCount() / 2;
            place = reader.extentOffset(extent) + reader.extentLengthBytes(extent) / 2;
        }
        SuspendedVmTest.flip(image, place);
        return place;
    }
}
