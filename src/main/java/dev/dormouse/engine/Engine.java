package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// All that can be done with VMs and images under one home. Each call runs in the caller's thread to its
/// end and holds the lock of the VM, so any number of threads and processes may call.
public final class Engine {
    private static final Duration EXIT_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration RESTORE_PATIENCE = Duration.ofMinutes(10);
    private static final Duration END_PATIENCE = Duration.ofSeconds(2);
    private final Home home;
    private final @Nullable QemuTools tools;

    public Engine(Home home, QemuTools tools) {
        this.home = home;
        this.tools = tools;
    }

    /// An engine that can only look: at VMs and at images. It needs no QEMU on this host.
    public Engine(Home home) {
        this.home = home;
        this.tools = null;
    }

    public Home home() {
        return home;
    }

    public QemuTools tools() {
        if (tools == null) {
            throw new IllegalStateException("this engine was made to look only, it has no QEMU");
        }
        return tools;
    }

    /// Opens frozen disks for the pages that are on them.
    public DiskOpener diskOpener() {
        return chain -> {
            throw new VmException("%s: pages on disks cannot be read by this build yet"
                    .formatted(chain.top().path()));
        };
    }

    /// Writes one RAM block of an image as a flat file, sparse where it is zero.
    ///
    /// @param block name of the block, null for the guest's main memory
    /// @param target must not exist; appears when it is complete
    public ExportResult exportRaw(
            Path image, @Nullable String block, Path target, OperationListener listener, Cancellation cancellation)
            throws IOException {
        return new ImageExport(home, tools(), image, target, listener, cancellation).raw(block);
    }

    /// Writes an image as a migration stream that QEMU restores by itself.
    ///
    /// @param target must not exist; appears when it is complete
    public ExportResult exportStream(Path image, Path target, OperationListener listener, Cancellation cancellation)
            throws IOException {
        return new ImageExport(home, tools(), image, target, listener, cancellation).qemu();
    }

    /// Makes a stopped VM suspended, with the memory of a migration stream that stock QEMU saved to a file. Its
    /// disks must be as they were then, which nobody checks.
    public ImportResult importStream(Path stream, String name, OperationListener listener, Cancellation cancellation)
            throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, "image import")) {
            new Settle(home, tools(), vm).run();
            return new ImageImport(home, tools(), vm, listener, cancellation).run(stream);
        }
    }

    public Images images() {
        return new Images(home);
    }

    /// Creates a VM; it is stopped then.
    public VmStatus create(VmRequest request) throws IOException {
        new VmCreation(home, tools(), request).create();
        return status(request.name());
    }

    /// {@return all VMs, sorted by name}
    public List<VmStatus> list() throws IOException {
        var statuses = new ArrayList<VmStatus>();
        for (String name : home.vmNames()) {
            statuses.add(status(name));
        }
        return statuses;
    }

    /// {@return what the VM is now}
    public VmStatus status(String name) throws IOException {
        return Statuses.of(home, Vm.open(home, name));
    }

    /// {@return the command line with which the VM's QEMU is started}
    ///
    /// @param incoming whether QEMU is to wait for a migration
    public List<String> commandLine(String name, boolean incoming) throws IOException {
        Vm vm = Vm.open(home, name);
        return QemuCommandLine.build(
                tools().qemu().path(), vm.config(), vm.record().chains(), vm.sockets(), incoming);
    }

    /// Boots a stopped VM, or a crashed one from its newest files.
    ///
    /// @param discardState boot a suspended VM without its memory, which is lost then
    public VmStatus start(String name, boolean discardState) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, "start")) {
            new Settle(home, tools(), vm).run();
            new Start(home, tools(), vm).run(discardState);
        }
        return status(name);
    }

    /// Captures a running VM into an image and ends its QEMU. A restore under way is completed first.
    public SuspendResult suspend(String name, OperationListener listener, Cancellation cancellation)
            throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = lockAfterRestore(vm, "suspend", listener)) {
            settleAndRecover(vm, listener);
            return new Suspend(home, tools(), vm, listener, cancellation).suspend();
        }
    }

    /// Captures a running VM into an image that is kept; the VM runs on.
    public SuspendResult checkpoint(String name, OperationListener listener, Cancellation cancellation)
            throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = lockAfterRestore(vm, "checkpoint", listener)) {
            settleAndRecover(vm, listener);
            return new Suspend(home, tools(), vm, listener, cancellation).checkpoint();
        }
    }

    /// Brings a suspended VM back. The guest runs from [OperationListener#running] on; this returns when
    /// every page is placed and the disks are merged.
    public ResumeResult resume(String name, ResumeOptions options, OperationListener listener) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, "resume")) {
            new Settle(home, tools(), vm).run();
            if (Recovery.isNeeded(vm)) {
                return new Recovery(home, tools, vm, listener).run();
            }
            if (options.discardChanges()) {
                new Start(home, tools(), vm).setChangesAside();
            }
            return new Resume(home, tools(), vm, options, listener).run();
        }
    }

    /// Makes a new VM of an image; it is suspended then, and the image is kept.
    public VmStatus restoreAs(String image, String name) throws IOException {
        Home.checkName(name);
        new Clone(home, tools(), image, name).create();
        return status(name);
    }

    /// Ends a running VM: by the guest's own shutdown, or at once.
    ///
    /// @param force end QEMU without asking the guest; also one whose restore was cut off, which is
    ///     suspended again then, or crashed if it has written its disks
    /// @param timeout how long the guest may take to shut down
    public VmStatus stop(String name, boolean force, Duration timeout, OperationListener listener) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = lockAfterRestore(vm, "stop", listener)) {
            recoverToStop(vm, force, listener);
            VmRecord record = vm.record();
            if (record.state() == VmState.RESTORING) {
                giveUpRestore(vm, record);
                return status(name);
            }
            QemuProcess qemu = vm.qemu(record)
                    .filter(_ -> record.state() == VmState.RUNNING)
                    .orElseThrow(() -> new VmException("vm %s: not running, there is nothing to stop".formatted(name)));
            end(vm, qemu, force, timeout);
            vm.enter(VmState.STOPPED, record.withQemu(null));
            listener.step("merging the disks");
            new Merge(home, tools(), vm).offline();
        }
        return status(name);
    }

    private void recoverToStop(Vm vm, boolean force, OperationListener listener) throws IOException {
        try {
            settleAndRecover(vm, listener);
        } catch (IOException e) {
            if (!force) {
                throw new VmException(
                        "vm %s: its restore was cut off and cannot be carried on: %s; 'dormouse stop --force %s' gives it up"
                                .formatted(vm.name(), e.getMessage(), vm.name()),
                        e);
            }
            listener.step("giving the restore up: " + e.getMessage());
        }
    }

    /// Of a restore whose page server died while the guest ran, and which cannot be recovered: all that is left
    /// is to end it. Its image is still there; whether its disks were written decides what it is then.
    private void giveUpRestore(Vm vm, VmRecord record) throws IOException {
        Optional<QemuProcess> qemu = vm.qemu(record);
        if (qemu.isPresent()) {
            qemu.get().kill(); // It would wait for vCPUs that wait for pages.
        }
        new Settle(home, tools(), vm).run();
    }

    private void end(Vm vm, QemuProcess qemu, boolean force, Duration timeout) throws IOException {
        try (QmpClient qmp = new QemuStarter(tools(), vm).connect(qemu)) {
            qmp.execute(force ? "quit" : "system_powerdown");
        } catch (IOException e) {
            if (qemu.isAlive() && !force) {
                throw e;
            }
        }
        if (qemu.awaitExit(force ? EXIT_TIMEOUT : timeout)) {
            return;
        }
        if (!force) {
            throw new VmException(
                    "vm %s: the guest did not shut down within %d s, 'dormouse stop --force %s' ends it at once"
                            .formatted(vm.name(), timeout.toSeconds(), vm.name()));
        }
        qemu.terminate(EXIT_TIMEOUT);
    }

    /// Removes a VM that has no QEMU: its overlays and its suspended memory go, disks it was given stay.
    ///
    /// @param force remove a suspended or crashed VM, whose memory is lost then
    public void remove(String name, boolean force) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, "rm")) {
            new Settle(home, tools(), vm).run();
            VmRecord record = vm.record();
            boolean saved = record.state() == VmState.SUSPENDED || record.state() == VmState.CRASHED;
            if (record.state() != VmState.STOPPED && !(saved && force)) {
                throw new VmException("vm %s: is %s, %s"
                        .formatted(
                                name,
                                record.state().name().toLowerCase(Locale.ROOT),
                                saved ? "'dormouse rm --force' removes it with its memory" : "stop it first"));
            }
            new Removal(home, tools(), vm).run(record);
        }
    }

    /// What needs all of the memory to be there carries on first with a restore that nobody serves.
    private void settleAndRecover(Vm vm, OperationListener listener) throws IOException {
        new Settle(home, tools(), vm).run();
        if (Recovery.isNeeded(vm)) {
            listener.step("recovering the restore");
            new Recovery(home, tools(), vm, listener).run();
        }
    }

    /// A capture needs all of the memory to be there, so it asks for haste and waits.
    private VmLock lockAfterRestore(Vm vm, String operation, OperationListener listener) throws IOException {
        Optional<VmLock> lock = VmLock.tryAcquire(vm, operation);
        if (lock.isPresent()) {
            return lock.get();
        }
        if (vm.record().state() != VmState.RESTORING && vm.restoreRecord().isEmpty()) {
            // A restore may have taken its record away and be about to let the lock go.
            return VmLock.acquire(vm, operation, END_PATIENCE);
        }
        listener.step("waiting until the VM is restored");
        RestoreStatus.askForHaste(vm.sockets());
        return VmLock.acquire(vm, operation, RESTORE_PATIENCE);
    }
}
