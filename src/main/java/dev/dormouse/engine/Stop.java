package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;

/// Ends a running VM, then merges its disks. Can be cancelled as long as it only waits: for a restore, for a page of
/// one that it carries on with, or for the guest, which may still shut down then; the VM is running until its QEMU has
/// ended.
final class Stop {
    private static final Duration EXIT_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration SLICE = Duration.ofMillis(50);

    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final OperationListener listener;
    private final Cancellation cancellation;
    private long givenUpNanos;
    private volatile boolean givenUp; // Also set by the thread that tells of a stall.

    Stop(Home home, QemuTools tools, Vm vm, OperationListener listener, Cancellation cancellation) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.listener = listener;
        this.cancellation = cancellation;
    }

    void run(boolean force, Duration timeout) throws IOException {
        try (VmLock _ = RestoreWait.lock(vm, "stop", listener, () -> waitsOn(force))) {
            recover(force);
            VmRecord record = vm.record();
            if (record.state() == VmState.RESTORING) {
                giveUpRestore(record);
                return;
            }
            Optional<QemuProcess> qemu = vm.qemu(record).filter(_ -> record.state() == VmState.RUNNING);
            if (qemu.isPresent()) {
                end(qemu.get(), force, timeout);
                recordStopped(record);
                LayerIndexes.forget(vm);
            } else if (!givenUp) {
                throw new VmException("vm %s: not running, there is nothing to stop".formatted(vm.name()));
            }
            if (vm.record().state() == VmState.STOPPED) {
                listener.step("merging the disks");
                new Merge(home, tools, vm).offline();
            }
        }
    }

    /// The next operation records it where this cannot: QEMU has ended, that is what counts.
    private void recordStopped(VmRecord record) throws IOException {
        try {
            vm.enter(VmState.STOPPED, record.withQemu(null));
        } catch (IOException e) {
            throw new VmException(
                    "vm %s: stopped, but that could not be recorded: %s".formatted(vm.name(), ErrorText.of(e)), e);
        }
    }

    /// While another process restores the VM. By force nobody waits for pages that cannot be had: without
    /// its QEMU that process brings the VM into a resting state and lets the lock go.
    private boolean waitsOn(boolean force) throws IOException {
        if (givenUp) {
            return System.nanoTime() - givenUpNanos < EXIT_TIMEOUT.toNanos();
        }
        if (cancellation.isWanted()) {
            throw new VmException("vm %s: cancelled, it is being restored and runs on".formatted(vm.name()));
        }
        Optional<String> stall = RestoreStatus.read(vm.sockets()).map(RestoreStatus.Report::stalledReason);
        if (force && stall.isPresent()) {
            giveUpStalled(stall.get());
        }
        return true;
    }

    private void giveUpStalled(String reason) throws IOException {
        listener.step("giving the restore up: " + reason);
        Optional<QemuProcess> qemu = vm.qemu(vm.record());
        if (qemu.isPresent()) {
            givenUpNanos = System.nanoTime();
            givenUp = true;
            qemu.get().kill(); // It would wait for vCPUs that wait for pages.
        }
    }

    /// Carries on first with a restore that nobody serves, as far as its pages can be had.
    private void recover(boolean force) throws IOException {
        try {
            new Settle(home, tools, vm).run();
            if (Recovery.isNeeded(vm)) {
                listener.step("recovering the restore");
                Recovery recovery = force
                        ? new Recovery(home, tools, vm, new Impatience(), new Cancellation())
                        : new Recovery(home, tools, vm, listener, cancellation);
                recovery.run();
            }
        } catch (LeftOffException e) {
            throw e;
        } catch (IOException e) { // Also if it is cancelled: it may be by somebody who now wants it by force.
            if (!force) {
                throw new VmException(
                        "vm %s: its restore was cut off and cannot be carried on: %s; 'dormouse stop --force %s' gives it up"
                                .formatted(vm.name(), ErrorText.of(e, "vm " + vm.name()), vm.name()),
                        e);
            }
            listener.step("giving the restore up: " + e.getMessage());
        }
    }

    /// Ends a recovery of our own when a page cannot be had.
    private final class Impatience implements OperationListener {
        @Override
        public void step(String what) {
            listener.step(what);
        }

        @Override
        public void progress(Progress progress) {
            listener.progress(progress);
        }

        @Override
        public void stalled(String reason) {
            try {
                giveUpStalled(reason);
            } catch (IOException e) {
                listener.step("QEMU cannot be ended: " + e.getMessage());
            }
        }
    }

    /// Of a restore whose page server died while the guest ran, and which cannot be recovered: all that is left
    /// is to end it. Its image is still there; whether its disks were written decides what it is then.
    private void giveUpRestore(VmRecord record) throws IOException {
        Optional<QemuProcess> qemu = vm.qemu(record);
        if (qemu.isPresent()) {
            qemu.get().kill(); // It would wait for vCPUs that wait for pages.
        }
        new Settle(home, tools, vm).run();
    }

    private void end(QemuProcess qemu, boolean force, Duration timeout) throws IOException {
        try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu)) {
            qmp.execute(force ? "quit" : "system_powerdown");
        } catch (IOException e) {
            if (qemu.isAlive() && !force) {
                throw e;
            }
        }
        if (force) {
            if (!qemu.awaitExit(EXIT_TIMEOUT)) {
                qemu.terminate(EXIT_TIMEOUT);
            }
        } else {
            awaitShutdown(qemu, timeout);
        }
    }

    private void awaitShutdown(QemuProcess qemu, Duration timeout) throws IOException {
        long end = System.nanoTime() + timeout.toNanos();
        while (!qemu.awaitExit(SLICE)) {
            if (cancellation.isWanted()) {
                throw new VmException(
                        "vm %s: cancelled, the guest was asked to shut down and may still do so; 'dormouse show %s' says whether it runs"
                                .formatted(vm.name(), vm.name()));
            }
            if (System.nanoTime() - end >= 0) {
                throw new VmException(
                        "vm %s: the guest did not shut down within %d s, 'dormouse stop --force %s' ends it at once"
                                .formatted(vm.name(), timeout.toSeconds(), vm.name()));
            }
        }
    }
}
