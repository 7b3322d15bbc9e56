package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Finds out what a VM is now, without a lock. QEMU is asked only where nobody works on the VM, and waits for no page:
/// whether its guest stands still because a disk failed.
final class Statuses {
    private Statuses() {}

    static VmStatus of(Home home, Vm vm) throws IOException {
        VmConfig config = vm.config();
        VmRecord record = vm.record();
        Optional<QemuProcess> qemu = vm.qemu(record);
        Optional<RestoreStatus.Report> report =
                record.state() == VmState.RESTORING ? RestoreStatus.read(vm.sockets()) : Optional.empty();
        Optional<String> diskError =
                qemu.isEmpty() || VmLock.isHeld(vm) ? Optional.empty() : DiskErrors.reason(vm, record, qemu.get());
        return new VmStatus(
                config.name(),
                diskError.isPresent() ? "stalled" : word(vm, record, qemu.isPresent(), report),
                report.map(RestoreStatus.Report::stalledReason)
                        .or(() -> diskError)
                        .orElse(null),
                qemu.map(QemuProcess::pid).orElse(null),
                config.memoryBytes(),
                config.cpus(),
                config.machine(),
                config.accelerator(),
                config.cpuModel(),
                config.memoryBackend().name().toLowerCase(Locale.ROOT),
                config.qemuVersion(),
                record.image(),
                imageBytes(home, record.image()),
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
                new LastRestore(vm).read().orElse(null),
                VmIndexing.status(vm).orElse(null));
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

    private static @Nullable Long imageBytes(Home home, @Nullable String image) throws IOException {
        if (image == null) {
            return null;
        }
        Path file = home.image(image);
        return Files.exists(file) ? Files.size(file) : null;
    }
}
