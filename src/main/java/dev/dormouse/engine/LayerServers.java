package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.LayerServer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The servers of the layers that a VM's QEMU does not open itself, one for each disk that has such layers. They
/// are held until QEMU is connected to them, and end with it. One thread.
final class LayerServers implements AutoCloseable {
    private final List<LayerServer> servers = new ArrayList<>();

    private LayerServers() {}

    private interface Starter {
        LayerServer start(BackingChain layers, Path socket) throws IOException;
    }

    /// Starts them for a QEMU that is started next.
    static LayerServers start(QemuTools tools, Vm vm, List<BackingChain> chains) throws IOException {
        List<String> prefix = QemuScope.prefix(System.getenv(), vm.name());
        return of(vm, chains, (layers, socket) -> LayerServer.start(layers, tools.images(), socket, prefix));
    }

    /// Starts those that are gone; QEMU connects to them when it reads next.
    static LayerServers startMissing(QemuTools tools, Vm vm, List<BackingChain> chains) throws IOException {
        List<String> prefix = QemuScope.prefix(System.getenv(), vm.name());
        return of(vm, chains, (layers, socket) -> LayerServer.startUnlessThere(layers, tools.images(), socket, prefix));
    }

    private static LayerServers of(Vm vm, List<BackingChain> chains, Starter starter) throws IOException {
        var result = new LayerServers();
        boolean complete = false;
        try {
            for (int i = 0; i < chains.size(); i++) {
                BackingChain served = chains.get(i).served();
                if (served != null) {
                    Path socket = vm.sockets().layers(vm.config().disks().get(i));
                    result.servers.add(starter.start(served, socket));
                    VmSockets.narrow(socket);
                }
            }
            complete = true;
            return result;
        } finally {
            if (!complete) {
                result.close();
            }
        }
    }

    /// Ends those that were left by whoever was killed before his QEMU was connected.
    static void endLeft(Vm vm) throws IOException {
        for (VmConfig.Disk disk : vm.config().disks()) {
            LayerServer.end(vm.sockets().layers(disk));
        }
    }

    boolean isEmpty() {
        return servers.isEmpty();
    }

    @Override
    public void close() {
        servers.forEach(LayerServer::close);
    }
}
