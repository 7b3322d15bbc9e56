package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Starts the QEMU of a VM, to boot or to wait for a restore.
final class QemuStarter {
    private static final Duration GREETING_TIMEOUT = Duration.ofSeconds(30);
    private final QemuTools tools;
    private final Vm vm;

    QemuStarter(QemuTools tools, Vm vm) {
        this.tools = tools;
        this.vm = vm;
    }

    /// {@return a QEMU that waits for a restore: the one on standby, if it is as a new one would be}
    QemuProcess startIncoming(VmConfig config, List<BackingChain> chains) throws IOException {
        List<String> argv = QemuCommandLine.build(tools.qemu().path(), config, chains, vm.sockets(), true);
        Optional<QemuProcess> standby = new Standby(vm).take(argv, chains);
        if (standby.isEmpty()) {
            return start(config, chains, true);
        }
        prepareMemory(config); // One that waits has used none of it, and others have meanwhile.
        return standby.get();
    }

    QemuProcess start(VmConfig config, List<BackingChain> chains, boolean incoming) throws IOException {
        return start(config, chains, incoming, List.of());
    }

    /// Starts QEMU with a guest that does not boot before it is told to `cont`.
    QemuProcess startPaused(VmConfig config, List<BackingChain> chains) throws IOException {
        return start(config, chains, false, List.of("-S"));
    }

    private QemuProcess start(VmConfig config, List<BackingChain> chains, boolean incoming, List<String> more)
            throws IOException {
        prepareMemory(config);
        VmSockets sockets = vm.sockets();
        for (Path socket : List.of(
                sockets.qmp(), sockets.qmpOutOfBand(), sockets.migration(), sockets.guestAgent(), sockets.pidFile())) {
            Files.deleteIfExists(socket); // Of a QEMU that was killed; a living one is excluded by the state.
        }
        var argv = new ArrayList<>(QemuCommandLine.build(tools.qemu().path(), config, chains, sockets, incoming));
        argv.addAll(more);
        QemuProcess.Spec spec = new QemuProcess.Spec(argv, sockets.qemuLog())
                .withPrefix(QemuScope.prefix(System.getenv(), config.name()));
        try (LayerServers servers = LayerServers.start(tools, vm, chains)) {
            QemuProcess qemu = QemuProcess.start(spec);
            if (!servers.isEmpty()) {
                awaitDisks(qemu);
            }
            return qemu;
        }
    }

    static void prepareMemory(VmConfig config) throws IOException {
        if (config.memoryBackend() == VmConfig.MemoryBackend.SHARED) {
            SharedMemoryFolder.prepare(config);
        }
    }

    /// Waits until its monitor greets: it has opened its disks then. Whoever connects next is told why it does not.
    private void awaitDisks(QemuProcess qemu) {
        try {
            connect(qemu).close();
        } catch (IOException _) {
            // As said.
        }
    }

    QmpClient connect(QemuProcess qemu) throws IOException {
        QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), GREETING_TIMEOUT, qemu);
        try {
            vm.sockets().narrow(); // It greets: all of its sockets are there.
            return qmp;
        } catch (IOException e) {
            qmp.close();
            throw e;
        }
    }
}
