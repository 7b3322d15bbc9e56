package dev.dormouse.engine;

import dev.dormouse.image.ImageReader;
import dev.dormouse.qmp.MigrationStatus;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.qmp.QmpException;
import dev.dormouse.qmp.QmpTimeoutException;
import dev.dormouse.restore.LeftStalledException;
import dev.dormouse.restore.PreparedImage;
import dev.dormouse.restore.RestoreException;
import dev.dormouse.restore.RestoreListener;
import dev.dormouse.restore.RestoreRecovery;
import dev.dormouse.restore.RestoreReport;
import dev.dormouse.restore.RestoreStep;
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
    private static final Duration EXIT_GRACE = Duration.ofSeconds(2);
    private static final long RETRY_MILLIS = 50;

    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final ImageKeys keys;
    private final OperationListener listener;
    private final Cancellation cancellation;
    private final long startNanos = System.nanoTime();

    /// Of an operation that needs all of the memory to be there.
    ///
    /// @param cancellation leaves it off if a page cannot be had, for which it would wait for ever; the guest waits
    ///     then, as before
    Recovery(Home home, QemuTools tools, Vm vm, OperationListener listener, Cancellation cancellation) {
        this(home, tools, vm, ImageKeys.UNNAMED, listener, cancellation);
    }

    Recovery(Home home, QemuTools tools, Vm vm, ImageKeys keys, OperationListener listener) {
        this(home, tools, vm, keys, listener, new Cancellation());
    }

    private Recovery(
            Home home, QemuTools tools, Vm vm, ImageKeys keys, OperationListener listener, Cancellation cancellation) {
        this.cancellation = cancellation;
        this.keys = keys;
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

    /// @throws LeftOffException if it was cancelled while a page could not be had
    ResumeResult run() throws IOException {
        VmRecord record = vm.record();
        QemuProcess qemu = vm.qemu(record).orElseThrow();
        RestoreRecord restore = vm.restoreRecord()
                .orElseThrow(() -> new VmException(
                        "vm %s: its restore record is missing, the restore cannot be carried on".formatted(vm.name())));
        Path file = home.image(restore.image());
        var status = new RestoreStatus(vm.sockets(), listener, cancellation);
        Exception failure = null;
        try (ImageReader image = keys.open(home.storage(), file);
                FrozenLayers frozen = FrozenLayers.freeze(
                        Images.metadata(image, file), LayerIndexes.contentCheck(home, tools, listener))) {
            vm.save(restore.withServer(ProcessRef.self()));
            if (!RestoreRecovery.isNeeded(qemu.pid())) {
                return complete(qemu, image, restore, record, frozen);
            }
            return feed(qemu, image, restore, record, frozen, status);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmException("vm %s: interrupted while it was recovered, try again".formatted(vm.name()), e);
        } catch (IOException e) {
            failure = e;
            throw explained(e, qemu, status);
        } catch (RuntimeException e) {
            failure = e;
            throw e;
        } finally {
            status.close(failure);
        }
    }

    /// A QEMU that ended meanwhile is no longer to be recovered: what is left of it decides.
    private IOException explained(IOException cause, QemuProcess qemu, RestoreStatus status) throws IOException {
        if (!qemu.awaitExit(cause instanceof VmException ? Duration.ZERO : EXIT_GRACE)) {
            return cause instanceof LeftStalledException ? leftOff(cause) : cause;
        }
        var settle = new Settle(home, tools, vm);
        settle.run();
        String message = "vm %s: resume failed: %s; %s"
                .formatted(vm.name(), qemu.died(null).getMessage(), settle.advice());
        return !status.isStalled() && vm.record().state() == VmState.SUSPENDED
                ? new NothingLostException(message, cause)
                : new VmException(message, cause);
    }

    private LeftOffException leftOff(IOException stall) {
        return new LeftOffException(
                "vm %s: cancelled, its restore waits for a page: %s; the guest waits as before, 'dormouse resume %s' tries again"
                        .formatted(vm.name(), ErrorText.of(stall), vm.name()),
                stall);
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
                if (qemu.awaitExit(EXIT_GRACE)) { // It had not come as far as RUN, and nobody sends it any more.
                    throw qemu.died(null);
                }
                throw new VmException("vm %s: its QEMU waits for no pages, but its migration is '%s' and not completed"
                        .formatted(vm.name(), status.name()));
            }
            migrations.awaitIncomingClean(CLEAN_TIMEOUT);
            listener.running();
            long millis = Suspend.millisSince(startNanos);
            new Completion(home, tools, vm, listener).complete(qmp, restore, record, frozen);
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
            RestoreStatus status)
            throws IOException, InterruptedException {
        var views = new FrozenViews(Images.metadata(image, image.path()), tools);
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
                PreparedImage prepared = PreparedImage.of(image, views);
                RestoreRecovery recovery = attach(qemu, restore, prepared, status, channel)) {
            vm.save(restore.withServer(ProcessRef.self()).withPlacement(recovery.ways()));
            recovery.placeMissing();
            if (recovery.isDirect()) {
                guestRuns(status); // Nobody waits for a page any more.
            }
            long runningMillis = Suspend.millisSince(startNanos);
            try (QmpClient qmp = connect(qemu, recovery)) {
                long readyMillis = Suspend.millisSince(startNanos);
                Path socket = vm.sockets().recovery();
                Files.deleteIfExists(socket);
                recover(qmp, socket);
                VmSockets.narrow(socket);
                listener.reached(RestoreStep.LISTENING_AGAIN);
                channel.connect(UnixDomainSocketAddress.of(socket));
                if (!recovery.isDirect()) {
                    guestRuns(status); // From the handshake on it gets the pages that it waits for.
                }
                RestoreReport report = recovery.finish(channel);
                new Migrations(qmp).awaitIncomingClean(CLEAN_TIMEOUT);
                listener.reached(RestoreStep.CLEAN);
                long completeMillis = Suspend.millisSince(startNanos);
                new Completion(home, tools, vm, listener).complete(qmp, restore, record, frozen);
                new LastRestore(vm).write(report);
                return result(readyMillis, runningMillis, completeMillis, report, image);
            }
        }
    }

    private void guestRuns(RestoreStatus status) throws IOException {
        status.running();
        listener.running();
        new GuestClock(vm, vm.config(), listener).guestRuns(); // The server that was killed may not have set it.
    }

    /// Without direct placing nobody has woken QEMU's main loop, should that wait for a page.
    private QmpClient connect(QemuProcess qemu, RestoreRecovery recovery) throws IOException {
        try {
            return new QemuStarter(tools, vm).connect(qemu);
        } catch (QmpTimeoutException e) {
            throw recovery.isDirect()
                    ? e
                    : cannotCarryOn("QEMU itself waits for a page, its monitor does not answer", e);
        }
    }

    private VmException cannotCarryOn(String reason, IOException cause) {
        return new VmException(
                "vm %s: its restore cannot be carried on from here: %s; the guest waits, run 'dormouse resume %s' as root"
                        .formatted(vm.name(), reason, vm.name()),
                cause);
    }

    private RestoreRecovery attach(
            QemuProcess qemu,
            RestoreRecord restore,
            PreparedImage prepared,
            RestoreListener status,
            SocketChannel channel)
            throws IOException, InterruptedException {
        try {
            return new RestoreRecovery("vm " + vm.name(), qemu.pid(), prepared, status, channel, restore.placement());
        } catch (RestoreException e) {
            throw cannotCarryOn(String.valueOf(e.getMessage()), e);
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
