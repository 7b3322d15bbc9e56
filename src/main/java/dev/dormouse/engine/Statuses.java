package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.restore.RestoreReport;
import dev.dormouse.storage.FileStamp;
import java.io.IOException;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// Finds out what VMs are now, without a lock. QEMU is asked only where nobody works on the VM, and waits for no page:
/// whether its guest stands still because a disk failed. Files that have not changed since the last look are not read
/// again. Any thread.
final class Statuses {
    private final Home home;
    private final Map<String, Files> known = new ConcurrentHashMap<>();

    Statuses(Home home) {
        this.home = home;
    }

    /// The files of a VM that say what it is.
    private record Files(
            ReadFile<VmConfig> config, ReadFile<VmRecord> record, ReadFile<Optional<RestoreReport>> lastRestore) {
        static Files of(Vm vm) {
            var lastRestore = new LastRestore(vm);
            return new Files(
                    new ReadFile<>(vm.configFile(), vm::config),
                    new ReadFile<>(vm.stateFile(), vm::record),
                    new ReadFile<>(lastRestore.file(), lastRestore::read));
        }
    }

    /// Forgets the files of VMs that are no more.
    void retain(Collection<String> names) {
        known.keySet().retainAll(names);
    }

    /// @throws NotFoundException if there is no such VM
    VmStatus of(String name) throws IOException {
        Vm vm = Vm.open(home, name);
        Files files = known.computeIfAbsent(name, _ -> Files.of(vm));
        VmConfig config = files.config.get();
        VmRecord record = files.record.get();
        Optional<QemuProcess> qemu = vm.qemu(record);
        Optional<RestoreStatus.Report> report =
                record.state() == VmState.RESTORING ? RestoreStatus.read(vm.sockets()) : Optional.empty();
        Optional<String> diskError = qemu.isEmpty() || VmLock.isHeld(vm)
                ? Optional.empty()
                : DiskErrors.reason(vm, record, qemu.get(), DiskErrors.LOOK);
        return new VmStatus(
                config.name(),
                diskError.isPresent() ? "stalled" : word(vm, record, qemu.isPresent(), report),
                report.map(RestoreStatus.Report::stalledReason)
                        .or(() -> diskError)
                        .orElse(null),
                qemu.map(QemuProcess::pid).orElse(null),
                new Standby(vm).find(record).map(QemuProcess::pid).orElse(null),
                config.memoryBytes(),
                config.cpus(),
                config.machine(),
                config.accelerator(),
                config.cpuModel(),
                config.memoryBackend().name().toLowerCase(Locale.ROOT),
                config.qemuVersion(),
                record.image(),
                imageBytes(vm, record.image()),
                report.map(RestoreStatus.Report::placedPages).orElse(null),
                report.map(RestoreStatus.Report::nonZeroPages).orElse(null),
                report.map(RestoreStatus.Report::guestRuns).orElse(null),
                record.state() == VmState.RESTORING ? record.chainsWithOverlays() : record.chains(),
                config.vnc(),
                config.networks().stream()
                        .flatMap(network -> network.forwards().stream())
                        .toList(),
                vm.sockets().qmp().toString(),
                record.since(),
                lastRestore(files),
                VmIndexing.status(vm).orElse(null));
    }

    /// {@return what was left undone of a VM on which nobody works}
    Neglect neglect(String name) {
        try {
            Vm vm = Vm.open(home, name);
            VmRecord record =
                    known.computeIfAbsent(name, _ -> Files.of(vm)).record.get();
            Neglect found = neglect(vm, record);
            return found == Neglect.NONE || VmLock.isHeld(vm) ? Neglect.NONE : found;
        } catch (IOException _) {
            return Neglect.NONE; // It is gone, or damaged, which others tell.
        }
    }

    private static Neglect neglect(Vm vm, VmRecord record) throws IOException {
        if (isUnderWay(vm, record)) {
            return Neglect.CUT_OFF;
        }
        return record.state() == VmState.RESTORING && vm.qemu(record).isPresent() ? Neglect.ORPHANED : Neglect.NONE;
    }

    /// {@return whether somebody has the guest stand still, for a capture or for a merge before it, or rehearses
    /// it}
    static boolean isUnderWay(Vm vm, VmRecord record) throws IOException {
        return switch (record.state()) {
            case SUSPENDING, CHECKPOINTING -> true;
            // With its image it is booted without its memory, which was cut off (`Start`).
            case RUNNING ->
                record.image() != null
                        || vm.restoreRecord().map(RestoreRecord::guestStopped).orElse(false);
            case SUSPENDED -> Rehearsal.isLeft(vm);
            default -> false;
        };
    }

    /// Nothing depends on it: a VM whose report cannot be read is shown all the same.
    private static @Nullable RestoreReport lastRestore(Files files) {
        try {
            return files.lastRestore.get().orElse(null);
        } catch (IOException _) {
            return null;
        }
    }

    private static String word(Vm vm, VmRecord record, boolean alive, Optional<RestoreStatus.Report> report)
            throws IOException {
        if (record.state() == VmState.RUNNING && !alive) {
            return "stopped";
        }
        if (record.state() == VmState.RESTORING) {
            if (!VmLock.isHeld(vm)) {
                return alive ? "orphaned" : "interrupted";
            }
            if (report.isPresent() && report.get().stalledReason() != null) {
                return "stalled";
            }
        }
        return record.state().name().toLowerCase(Locale.ROOT);
    }

    private @Nullable Long imageBytes(Vm vm, @Nullable String image) {
        return image == null
                ? null
                : FileStamp.of(home.image(image))
                        .map(file -> file.size() + new CopiesFile(vm).lengthBytes())
                        .orElse(null);
    }
}
