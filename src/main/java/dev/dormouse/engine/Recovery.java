package dev.dormouse.engine;

import dev.dormouse.image.ImageReader;
import dev.dormouse.qmp.MigrationStatus;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.qmp.QmpException;
import dev.dormouse.restore.PreparedImage;
import dev.dormouse.restore.RestoreException;
import dev.dormouse.restore.RestoreListener;
import dev.dormouse.restore.RestoreRecovery;
import dev.dormouse.restore.RestoreReport;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/// Carries on with a resume whose page server died while the guest ran: the guest has waited since for
/// pages that it touched, and nothing is lost.
final class Recovery {
    private static final Duration PAUSED_TIMEOUT = Duration.ofSeconds(10);
    private static final Duration COMMAND_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration CLEAN_TIMEOUT = Duration.ofMinutes(1);
    private static final long RETRY_MILLIS = 50;

    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final OperationListener listener;
    private final long startNanos = System.nanoTime();

    Recovery(Home home, QemuTools tools, Vm vm, OperationListener listener) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.listener = listener;
    }

    /// {@return whether the VM, settled, waits for a page server}
    static boolean isNeeded(Vm vm) throws IOException {
        VmRecord record = vm.record();
        return record.state() == VmState.RESTORING && vm.qemu(record).isPresent();
    }

    ResumeResult run() throws IOException {
        VmRecord record = vm.record();
        QemuProcess qemu = vm.qemu(record).orElseThrow();
        RestoreRecord restore = vm.restoreRecord()
                .orElseThrow(() -> new VmException(
                        "vm %s: its restore record is missing, the restore cannot be carried on".formatted(vm.name())));
        Path file = home.image(restore.image());
        var status = new RestoreStatus(vm.sockets(), listener);
        Exception failure = null;
        try (ImageReader image = ImageReader.open(file);
                FrozenLayers frozen = FrozenLayers.freeze(
                        Images.metadata(image, file), LayerIndexes.contentCheck(home, tools, listener))) {
            vm.save(restore.withServer(Processes.self()));
            if (!RestoreRecovery.isNeeded(qemu.pid())) {
                return complete(qemu, image, restore, record, frozen);
            }
            return feed(qemu, image, restore, record, frozen, status);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmException("vm %s: interrupted while it was recovered, try again".formatted(vm.name()), e);
        } catch (IOException | RuntimeException e) {
            failure = e;
            throw e;
        } finally {
            status.close(failure);
        }
    }

    /// Of a QEMU that has got all its memory: only that was not recorded any more.
    private ResumeResult complete(
            QemuProcess qemu, ImageReader image, RestoreRecord restore, VmRecord record, FrozenLayers frozen)
            throws IOException {
        var views = new FrozenViews(Images.metadata(image, image.path()), tools);
        try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu);
                PreparedImage prepared = PreparedImage.of(image, views)) {
            var migrations = new Migrations(qmp);
            MigrationStatus status = migrations.status();
            if (!status.isCompleted()) {
                throw new VmException("vm %s: its QEMU waits for no pages, but its migration is '%s' and not completed"
                        .formatted(vm.name(), status.name()));
            }
            migrations.awaitIncomingClean(CLEAN_TIMEOUT);
            listener.running();
            long millis = Suspend.millisSince(startNanos);
            new Completion(home, tools, vm).complete(qmp, restore, record, frozen);
            return result(millis, millis, millis, prepared.finishedReport(), image);
        }
    }

    private ResumeResult result(
            long readyMillis, long runningMillis, long completeMillis, RestoreReport report, ImageReader image) {
        return new ResumeResult(
                readyMillis,
                runningMillis,
                completeMillis,
                Suspend.millisSince(startNanos),
                report.demandedPages(),
                report.demandedZeroPages(),
                report.nonZeroPages() - report.demandedPages(),
                image.frameCount() - report.nonZeroPages(),
                report);
    }

    private ResumeResult feed(
            QemuProcess qemu,
            ImageReader image,
            RestoreRecord restore,
            VmRecord record,
            FrozenLayers frozen,
            RestoreListener status)
            throws IOException, InterruptedException {
        var views = new FrozenViews(Images.metadata(image, image.path()), tools);
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
                PreparedImage prepared = PreparedImage.of(image, views);
                RestoreRecovery recovery = attach(qemu, prepared, status, channel)) {
            recovery.placeMissing();
            listener.running(); // Nobody waits for a page any more.
            long runningMillis = Suspend.millisSince(startNanos);
            try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu)) {
                long readyMillis = Suspend.millisSince(startNanos);
                Path socket = vm.sockets().recovery();
                Files.deleteIfExists(socket);
                recover(qmp, socket);
                channel.connect(UnixDomainSocketAddress.of(socket));
                RestoreReport report = recovery.finish(channel);
                new Migrations(qmp).awaitIncomingClean(CLEAN_TIMEOUT);
                long completeMillis = Suspend.millisSince(startNanos);
                new Completion(home, tools, vm).complete(qmp, restore, record, frozen);
                new LastRestore(vm).write(report);
                return result(readyMillis, runningMillis, completeMillis, report, image);
            }
        }
    }

    private RestoreRecovery attach(
            QemuProcess qemu, PreparedImage prepared, RestoreListener status, SocketChannel channel)
            throws IOException, InterruptedException {
        try {
            return new RestoreRecovery("vm " + vm.name(), qemu.pid(), prepared, status, channel);
        } catch (RestoreException e) {
            throw new VmException(
                    "vm %s: its restore cannot be carried on from here: %s; the guest waits, run 'dormouse resume %s' as root"
                            .formatted(vm.name(), e.getMessage(), vm.name()),
                    e);
        }
    }

    /// QEMU takes this only once it has noticed that the connection is gone.
    private static void recover(QmpClient qmp, Path socket) throws IOException, InterruptedException {
        long end = System.nanoTime() + PAUSED_TIMEOUT.toNanos();
        while (true) {
            try {
                new Migrations(qmp).recover("unix:" + socket, COMMAND_TIMEOUT);
                return;
            } catch (QmpException e) {
                if (System.nanoTime() - end >= 0) {
                    throw e;
                }
                Thread.sleep(RETRY_MILLIS);
            }
        }
    }
}
