package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.checkpoint.Capture;
import dev.dormouse.checkpoint.CaptureSource;
import dev.dormouse.checkpoint.SharedMemory;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// VMs whose memory is read directly.
@Tag("qemu")
class SharedMemoryTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final Capture.Progress QUIET = new Capture.Progress() {
        @Override
        public void frames(long frames, long frameCount) {}

        @Override
        public void check() {}
    };

    @TempDir
    Path folder;

    private static void boot(EngineFixture fixture) throws Exception {
        fixture.boot(fixture.request("vm1").withMemoryBackend("shared"));
        CheckpointTest.fillPattern(fixture);
    }

    /// The memory is read first: a second migration would be refused.
    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void bothWaysOfCapturingSeeTheSamePages(String version) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            boot(fixture);
            var qemu = fixture.process("vm1");
            try (QmpClient qmp = QmpClient.connect(fixture.vm("vm1").sockets().qmp(), LONG, qemu)) {
                qmp.execute("stop");
                var memory = SharedMemory.open(qemu.pid(), "ram0", 384 << 20);
                Path direct = folder.resolve("direct");
                try (var capture =
                        new Capture(CaptureSource.stream("vm1").withMemory("ram0", memory), writer(direct), QUIET)) {
                    capture.readRunning();
                    capture.writer().publish();
                }
                Path streamed = folder.resolve("streamed");
                captureByStream(qmp, streamed);

                assertThat(differences(direct, streamed)).isEmpty();
            }
        }
    }

    private static Capture.WriterFactory writer(Path file) {
        return blocks -> ImageWriter.create(file, blocks);
    }

    private void captureByStream(QmpClient qmp, Path image) throws IOException {
        var migrations = new Migrations(qmp);
        migrations.setParameters(java.util.Map.of("max-bandwidth", 0));
        Path socket = folder.resolve("socket");
        try (var channel = CaptureChannel.listen(socket, "vm1", new Cancellation());
                var capture = new Capture(CaptureSource.stream("vm1"), writer(image), QUIET)) {
            migrations.startOutgoing("unix:" + socket);
            capture.readStream(channel);
            capture.readPaused();
            capture.writer().publish();
        }
    }

    /// {@return the frames of the first image whose class or content is another in the second}
    private static List<Long> differences(Path direct, Path streamed) throws IOException {
        var differences = new ArrayList<Long>();
        try (var one = ImageReader.open(direct);
                var two = ImageReader.open(streamed)) {
            assertThat(two.ramBlocks()).startsWith(one.ramBlocks().getFirst());
            for (long frame = 0; frame < one.frameCount(); frame++) {
                if (one.pageClass(frame) != two.pageClass(frame) || one.checksum(frame) != two.checksum(frame)) {
                    differences.add(frame);
                }
            }
        }
        return differences;
    }

    /// The guest fills memory while the first pass reads it, and goes on filling in the VM and in its clone.
    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void aGuestThatWritesDuringACheckpointIsWhole(String version) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            // The work loop reads a file of the guest's own disk.
            fixture.boot(GuestVm.request(fixture.guest, "vm1", "384M").withMemoryBackend("shared"));
            CheckpointTest.fillPattern(fixture);
            SuspendResult checkpoint;
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.work(32, LONG);
                CompletableFuture<Void> filling = fill(probe, "b");
                checkpoint = fixture.checkpoint("vm1");
                filling.get();
                assertThat(probe.verify("b", LONG)).isEqualTo(64 << 20);
            }
            assertThat(checkpoint.direct()).isTrue();
            CheckpointTest.verify(fixture, "vm1");

            fixture.engine.restoreAs(checkpoint.image(), "clone");
            fixture.resume("clone");

            CheckpointTest.verify(fixture, "clone");
            try (GuestProbe probe = fixture.probe("clone")) {
                assertThat(probe.verify("b", LONG)).isEqualTo(64 << 20);
            }
        }
    }

    private static CompletableFuture<Void> fill(GuestProbe probe, String region) {
        return CompletableFuture.runAsync(() -> {
            try {
                probe.fill(region, 5, 64, 50, LONG);
            } catch (IOException | InterruptedException e) {
                throw new AssertionError(e);
            }
        });
    }

    @ParameterizedTest(name = "at {0} percent")
    @ValueSource(ints = {1, 60, 100})
    void aVmWhoseCheckpointIsCancelledRunsOnAndIsCapturedLater(int percent) throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            boot(fixture);
            var cancellation = new Cancellation();
            var listener = new OperationListener() {
                @Override
                public void captured(long bytes, long totalBytes) {
                    if (bytes * 100 >= totalBytes * percent) {
                        cancellation.cancel();
                    }
                }
            };

            assertThatThrownBy(() -> fixture.engine.checkpoint("vm1", listener, cancellation))
                    .hasMessage("vm vm1: cancelled, the VM runs on");

            assertThat(fixture.state("vm1")).isEqualTo("running");
            assertThat(EngineFixture.fileNames(fixture.home.images())).isEmpty();
            CheckpointTest.verify(fixture, "vm1");
            assertThat(fixture.suspend("vm1").direct()).isTrue();
            fixture.resume("vm1");
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    @Test
    void aVmWhoseSharedMemoryDoesNotFitIsNotStarted() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            String memory = (MemorySize.ofHost() >> 20) * 8 + "M"; // Whatever the size of /dev/shm.
            fixture.engine.create(VmRequest.named("vm1").withMemory(memory).withMemoryBackend("shared"));

            assertThatThrownBy(() -> fixture.engine.start("vm1", false))
                    .hasMessageMatching(
                            "vm vm1: start failed: /dev/shm has \\S+ [KMGT]iB free, the VM's shared memory needs "
                                    + "\\S+ [KMGT]iB; enlarge it, as in 'mount -o remount,size=\\d+M /dev/shm'");

            assertThat(fixture.state("vm1")).isEqualTo("stopped");
        }
    }
}
