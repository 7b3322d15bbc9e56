package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.restore.RestoreReport;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A guest whose disk failed on the host, for want of space or by an error. QEMU has stopped it before the guest was
/// told (`werror=stop`, `rerror=stop`), and does again what failed when it goes on: so the guest loses nothing and
/// knows of nothing.
final class DiskErrors {
    /// For how long one answer of QEMU is waited for: whoever looks at VMs does not wait for one that hangs.
    static final Duration LOOK = Duration.ofSeconds(1);
    static final Duration CERTAINLY = Duration.ofSeconds(10);
    private static final long SETTLE_MILLIS = 300;
    /// QEMU tries to connect again by itself, at most 16 s after it failed, and what is read before fails at once.
    private static final long RECONNECT_MILLIS = 20_000;

    private DiskErrors() {}

    /// {@return why the guest stands still, and what to do; empty if it does not, or if QEMU does not say}
    static Optional<String> reason(Vm vm, VmRecord record, QemuProcess qemu, Duration patience) {
        if (record.state() != VmState.RUNNING) {
            return Optional.empty(); // While memory arrives QEMU may not answer at all.
        }
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmpOutOfBand(), patience, qemu)) {
            return reason(qmp, vm, record, patience);
        } catch (IOException _) {
            return Optional.empty(); // Somebody else is talking to it, or it is ending.
        }
    }

    private static Optional<String> reason(QmpClient qmp, Vm vm, VmRecord record, Duration timeout) throws IOException {
        if (!"io-error".equals(qmp.execute("query-status", Map.of(), timeout).get("status"))) {
            return Optional.empty();
        }
        String advice = "then 'dormouse resume %s' carries on".formatted(vm.name());
        List<Map<String, Object>> devices = qmp.executeForList("query-block", Map.of(), timeout);
        for (int i = 0; i < record.chains().size(); i++) {
            BackingChain chain = record.chains().get(i);
            String node = QemuCommandLine.node(vm.config().disks().get(i), chain.depth() - 1);
            Optional<String> status = status(devices, node);
            if (status.isPresent()) {
                return Optional.of("%s: %s, %s".formatted(chain.top().path(), status.get(), advice));
            }
        }
        return Optional.of("vm %s: a disk cannot be read or written, mend it, %s".formatted(vm.name(), advice));
    }

    private static Optional<String> status(List<Map<String, Object>> devices, String node) {
        return devices.stream()
                .filter(device ->
                        device.get("inserted") instanceof Map<?, ?> inserted && node.equals(inserted.get("node-name")))
                .map(device -> String.valueOf(device.get("io-status")))
                .filter(status -> !status.equals("ok"))
                .map(status -> status.equals("nospace")
                        ? "no space is left for what the guest writes, make some"
                        : "it or a layer below it cannot be read or written, mend it")
                .findFirst();
    }

    /// Lets the guest go on. A server of its layers that has ended is started again: QEMU connects to it when it does
    /// again what failed.
    ///
    /// @throws VmException if the disk still fails
    static ResumeResult carryOn(QemuTools tools, Vm vm, VmRecord record, QemuProcess qemu, OperationListener listener)
            throws IOException {
        long startNanos = System.nanoTime();
        try (LayerServers servers = LayerServers.startMissing(tools, vm, record.chains());
                QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), CERTAINLY, qemu)) {
            Optional<String> still;
            do {
                qmp.execute("cont", Map.of(), CERTAINLY);
                pause(vm); // What failed before is tried at once.
                still = reason(qmp, vm, record, CERTAINLY);
            } while (still.isPresent() && !servers.isEmpty() && Suspend.millisSince(startNanos) < RECONNECT_MILLIS);
            if (still.isPresent()) {
                throw new VmException(still.get());
            }
        }
        listener.running();
        long millis = Suspend.millisSince(startNanos);
        return new ResumeResult(millis, millis, millis, millis, 0, 0, 0, 0, RestoreReport.NOTHING);
    }

    private static void pause(Vm vm) throws VmException {
        try {
            Thread.sleep(SETTLE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmException("vm %s: interrupted while its disk was tried again".formatted(vm.name()), e);
        }
    }
}
