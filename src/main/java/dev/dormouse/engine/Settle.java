package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.RestoreRecord.Phase;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Brings a VM whose operation was cut off, or whose QEMU has ended, into one of the resting states, by the
/// table in `docs/states.md`. Called with the lock held, so whoever was at work is gone. Doing it twice
/// changes nothing.
final class Settle {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;

    Settle(Home home, QemuTools tools, Vm vm) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
    }

    void run() throws IOException {
        VmRecord record = vm.record();
        Optional<QemuProcess> qemu = vm.qemu(record);
        switch (record.state()) {
            case STOPPED, SUSPENDED, CRASHED -> {}
            case RUNNING -> settleRunning(record, qemu);
            case SUSPENDING, CHECKPOINTING -> settleCapture(record, qemu);
            case RESTORING -> settleRestore(record, qemu);
        }
    }

    /// {@return what a person can do about a VM in this state}
    static String advice(String name, VmState state) {
        return switch (state) {
            case SUSPENDED -> "nothing is lost, 'dormouse resume %s' tries again".formatted(name);
            case CRASHED ->
                "its disk was written since: 'dormouse start %s' boots the newest files, 'dormouse resume --discard-changes %s' goes back to the image"
                        .formatted(name, name);
            case STOPPED -> "'dormouse start %s' boots it".formatted(name);
            case RUNNING -> "it runs";
            default -> "'dormouse show %s' says what it is doing".formatted(name);
        };
    }

    /// {@return whether RUN may have reached QEMU in the restore that is recorded}
    boolean guestMayHaveRun() throws IOException {
        return vm.restoreRecord()
                .map(restore -> restore.phase().compareTo(Phase.RUNNING) >= 0)
                .orElse(true);
    }

    private void settleRunning(VmRecord record, Optional<QemuProcess> qemu) throws IOException {
        Optional<RestoreRecord> restore = vm.restoreRecord();
        if (restore.isPresent()) { // The page server was cut off while it dropped the image and merged.
            if (!restore.get().keepImage()) {
                new Completion(home, tools, vm).dropImage(restore.get().image());
            }
            vm.deleteRestoreRecord();
        }
        if (qemu.isEmpty()) {
            vm.enter(VmState.STOPPED, record.withQemu(null));
        }
    }

    /// An image that has its final name is complete and counts; what is left of QEMU is let go. Without it
    /// the VM runs on.
    private void settleCapture(VmRecord record, Optional<QemuProcess> qemu) throws IOException {
        boolean published = record.image() != null && Files.exists(home.image(record.image()));
        if (record.state() == VmState.SUSPENDING && published) {
            VmRecord suspended = vm.enter(VmState.SUSPENDED, record);
            if (qemu.isPresent()) {
                qemu.get().terminate(TIMEOUT);
            }
            vm.save(suspended.withQemu(null));
            return;
        }
        if (qemu.isPresent()) {
            goOn(record, qemu.get());
            return;
        }
        boolean written = record.state() == VmState.CHECKPOINTING && isAnyWritten(record.overlays());
        List<BackingChain> chains = written || published ? record.chainsWithOverlays() : record.chains();
        vm.enter(
                VmState.STOPPED,
                record.withChains(chains).withImage(null, List.of()).withQemu(null));
        Overlays.deleteUnused(record.overlays(), chains);
    }

    private void goOn(VmRecord record, QemuProcess qemu) throws IOException {
        try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu)) {
            var migrations = new Migrations(qmp);
            if (migrations.isUnderWay()) {
                migrations.cancel(TIMEOUT);
            }
            List<BackingChain> chains = Overlays.inUse(qmp, vm.config(), record.chains(), record);
            vm.enter(VmState.RUNNING, record.withChains(chains).withImage(null, List.of()));
            qmp.execute("cont", Map.of(), TIMEOUT);
            Overlays.deleteUnused(record.overlays(), chains);
        }
    }

    private void settleRestore(VmRecord record, Optional<QemuProcess> qemu) throws IOException {
        if (qemu.isPresent() && guestMayHaveRun()) {
            return; // It waits for its pages; only a page server can help it.
        }
        if (qemu.isPresent()) {
            qemu.get().terminate(TIMEOUT);
        }
        killUnrecorded(record);
        VmState next = isAnyWritten(record.overlays()) ? VmState.CRASHED : VmState.SUSPENDED;
        vm.enter(next, record.withQemu(null));
        vm.deleteRestoreRecord();
    }

    /// A QEMU that was started just before the crash, before its process could be recorded, has written a
    /// pid file. It has not run.
    private void killUnrecorded(VmRecord record) throws IOException {
        Path pidFile = vm.sockets().pidFile();
        if (record.qemu() != null || !Files.exists(pidFile)) {
            return;
        }
        long pid = Long.parseLong(Files.readString(pidFile).strip());
        String commandLine = Path.of("/proc/" + pid + "/cmdline").toFile().exists()
                ? Files.readString(Path.of("/proc/" + pid + "/cmdline"))
                : "";
        if (commandLine.contains(pidFile.toString())) {
            ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
        }
    }

    private boolean isAnyWritten(List<Layer> overlays) throws IOException {
        for (Layer overlay : overlays) {
            Path file = Path.of(overlay.path());
            if (Files.exists(file) && tools.images().hasAllocatedClusters(file)) {
                return true;
            }
        }
        return false;
    }
}
