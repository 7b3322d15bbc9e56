package dev.dormouse.engine;

import dev.dormouse.base.RamBlock;
import dev.dormouse.checkpoint.Capture;
import dev.dormouse.checkpoint.CaptureException;
import dev.dormouse.checkpoint.CaptureSource;
import dev.dormouse.checkpoint.DiskLookup;
import dev.dormouse.checkpoint.SharedMemory;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.WriterOptions;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QemuVersion;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;

/// Has QEMU hand out its guest: chooses between the direct way and the stream, and drives QEMU through it.
/// One thread.
final class GuestCapture implements AutoCloseable {
    private static final Duration TIMEOUT = Duration.ofSeconds(60);
    private static final String IGNORE_SHARED = "x-ignore-shared";

    private final Vm vm;
    private final QmpClient qmp;
    private final Cancellation cancellation;
    private final Capture capture;

    private GuestCapture(Vm vm, QmpClient qmp, Cancellation cancellation, Capture capture) {
        this.vm = vm;
        this.qmp = qmp;
        this.cancellation = cancellation;
        this.capture = capture;
    }

    /// @param image where the image is to be
    static GuestCapture of(
            Vm vm,
            QmpClient qmp,
            QemuProcess qemu,
            QemuVersion version,
            Path image,
            WriterOptions options,
            DiskLookup disks,
            OperationListener listener,
            Cancellation cancellation)
            throws IOException {
        String resource = "vm " + vm.name();
        CaptureSource source =
                source(resource, vm.config(), qemu.pid(), version, listener).withDisks(disks);
        var progress = new Capture.Progress() {
            @Override
            public void frames(long frames, long frameCount) {
                listener.captured(frames * RamBlock.TARGET_PAGE_BYTES, frameCount * RamBlock.TARGET_PAGE_BYTES);
            }

            @Override
            public void check() throws IOException {
                cancellation.check(resource);
            }
        };
        Capture.WriterFactory factory = blocks -> ImageWriter.create(vm.storage(), image, blocks, options);
        return new GuestCapture(vm, qmp, cancellation, new Capture(source, factory, progress));
    }

    private static CaptureSource source(
            String resource, VmConfig config, long pid, QemuVersion version, OperationListener listener) {
        CaptureSource stream = CaptureSource.stream(resource);
        if (!leavesOutShared(config, version)) {
            return stream;
        }
        try {
            String id = QemuCommandLine.MEMORY_ID;
            return stream.withMemory(id, SharedMemory.open(pid, id, config.memoryBytes()));
        } catch (CaptureException e) {
            listener.step("capturing by stream, because " + e.getMessage());
            return stream;
        }
    }

    /// From 8.0 on `x-ignore-shared` leaves out only memory in a file that has been given a path.
    private static boolean leavesOutShared(VmConfig config, QemuVersion version) {
        return switch (config.memoryBackend()) {
            case ANONYMOUS -> false;
            case MEMFD -> !version.atLeast(8, 0);
            case SHARED -> true;
        };
    }

    /// {@return whether memory is read directly, so that most of the work can be done while the guest runs}
    boolean isDirect() {
        return capture.isDirect();
    }

    void readRunning() throws IOException {
        capture.readRunning();
    }

    /// Takes the state of the stopped guest; QEMU's migration is completed when this returns.
    ImageWriter readStopped() throws IOException {
        var migrations = new Migrations(qmp);
        migrations.resetCapabilities();
        migrations.setParameters(Map.of("max-bandwidth", 0));
        if (capture.ignoresShared()) {
            migrations.setCapabilities(Map.of(IGNORE_SHARED, true));
        }
        Path socket = vm.sockets().capture();
        try (CaptureChannel channel = CaptureChannel.listen(socket, "vm " + vm.name(), cancellation)) {
            migrations.startOutgoing("unix:" + socket);
            capture.readStream(channel);
        }
        migrations.awaitCompleted(TIMEOUT);
        capture.readPaused();
        if (capture.ignoresShared()) {
            migrations.setCapabilities(Map.of(IGNORE_SHARED, false)); // Any other migration needs all memory.
        }
        return capture.writer();
    }

    @Override
    public void close() throws IOException {
        capture.close();
    }
}
