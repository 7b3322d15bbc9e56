package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.restore.RestoreReport;
import java.io.IOException;
import java.util.Optional;

/// Brings a VM back in the way that its state asks for: from its image, by carrying on with a restore that was cut off,
/// or by letting it go on after its disk had failed. Used by one thread, which holds the lock of the VM.
final class BringingBack {
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final ResumeOptions options;
    private final OperationListener listener;
    private boolean carriedOn;

    BringingBack(Home home, QemuTools tools, Vm vm, ResumeOptions options, OperationListener listener) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.options = options;
        this.listener = listener;
    }

    /// Returns when every page is placed and the disks are merged.
    ///
    /// @throws IOException if that fails; [Settle] brings the VM into a resting state then
    ResumeResult run() throws IOException {
        ResumeResult result = bringBack();
        if (!result.report().equals(RestoreReport.NOTHING)) { // Else there was no memory to bring back.
            new CommandLog(vm).add(CommandDone.resume(result, carriedOn), listener);
        }
        return result;
    }

    private ResumeResult bringBack() throws IOException {
        boolean wasCutOff = vm.restoreRecord().isPresent();
        new Settle(home, tools, vm).runBesideStandby();
        if (wasCutOff && vm.record().state() == VmState.RUNNING) {
            listener.running(); // Every page was placed; only what follows had been cut off.
            return ResumeResult.ofSettled();
        }
        try {
            return recoverOrResume();
        } catch (NothingLostException e) {
            carriesOn(false);
            listener.step("starting over: " + e.getMessage());
            return new Resume(home, tools, vm, options, listener).run();
        }
    }

    /// @throws NothingLostException of a QEMU that ends before its guest has written anything, which is started once
    ///     more: the host may have been short of memory for a moment
    private ResumeResult recoverOrResume() throws IOException {
        if (Recovery.isNeeded(vm)) {
            carriesOn(true);
            return new Recovery(home, tools, vm, new ImageKeys(options.key()), listener).run();
        }
        VmRecord record = vm.record();
        Optional<QemuProcess> qemu = vm.qemu(record);
        if (qemu.isPresent()
                && DiskErrors.reason(vm, record, qemu.get(), DiskErrors.CERTAINLY)
                        .isPresent()) {
            return DiskErrors.carryOn(tools, vm, record, qemu.get(), listener);
        }
        if (options.discardChanges()) {
            new Start(home, tools, vm).setChangesAside(listener);
        }
        return new Resume(home, tools, vm, options, listener).run();
    }

    private void carriesOn(boolean recovers) {
        carriedOn = recovers;
        listener.carriesOn(recovers);
    }
}
