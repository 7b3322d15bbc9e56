package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The command line of a VM's QEMU. The same configuration gives the same devices, in the same order and
/// under the same ids, which is what a restore needs: the stream names devices by where they sit.
final class QemuCommandLine {
    /// In an extra argument and in the path of the VNC socket stands for the folder of the VM's sockets, so that a
    /// clone has its own.
    private static final String RUNTIME_PLACEHOLDER = "{runtime}";

    /// Of the back end of the guest's memory, where one is named, and then also of its RAM block.
    static final String MEMORY_ID = "ram0";

    private final Path binary;
    private final VmConfig config;
    private final List<BackingChain> chains;
    private final VmSockets sockets;
    private final List<String> argv = new ArrayList<>();

    private QemuCommandLine(Path binary, VmConfig config, List<BackingChain> chains, VmSockets sockets) {
        this.binary = binary;
        this.config = config;
        this.chains = chains;
        this.sockets = sockets;
    }

    /// @param chains per disk its layers, bottom first
    /// @param incoming whether QEMU waits for a migration instead of booting
    static List<String> build(
            Path binary, VmConfig config, List<BackingChain> chains, VmSockets sockets, boolean incoming) {
        var line = new QemuCommandLine(binary, config, chains, sockets);
        line.machine();
        line.sandbox();
        return line.rest(incoming);
    }

    /// As [#build], for a QEMU that somebody else starts and has read its memory from a program.
    static List<String> buildWithoutSandbox(
            Path binary, VmConfig config, List<BackingChain> chains, VmSockets sockets) {
        var line = new QemuCommandLine(binary, config, chains, sockets);
        line.machine();
        return line.rest(false);
    }

    private List<String> rest(boolean incoming) {
        memory();
        monitors();
        for (int i = 0; i < config.disks().size(); i++) {
            disk(i);
        }
        networks();
        guestDevices();
        kernel();
        String runtime = sockets.runtime().toString();
        config.extraArguments().forEach(argument -> add(argument.replace(RUNTIME_PLACEHOLDER, runtime)));
        if (incoming) {
            add("-incoming", "defer");
        }
        return List.copyOf(argv);
    }

    /// {@return the node name of a layer, by which block jobs refer to it}
    static String node(VmConfig.Disk disk, int depth) {
        return disk.id() + "-layer" + depth;
    }

    /// {@return the path within an option, where a comma would end it}
    private static String option(Path path) {
        return path.toString().replace(",", ",,");
    }

    private void add(String... arguments) {
        argv.addAll(List.of(arguments));
    }

    private void machine() {
        add(binary.toString(), "-name", "guest=" + config.name(), "-nodefaults", "-no-user-config");
        String machine = config.machine() + ",accel=" + config.accelerator();
        if (config.memoryBackend() != VmConfig.MemoryBackend.ANONYMOUS) {
            machine += ",memory-backend=" + MEMORY_ID;
        }
        if (config.uefi() != null) {
            machine += ",pflash0=uefi-code,pflash1=" + topNode(config.uefi().variablesDisk());
        }
        add("-machine", machine, "-cpu", config.cpuModel(), "-smp", Integer.toString(config.cpus()));
        // A guest that put itself to sleep (S3) is woken by 7.2 when it is saved and not by 10.0: allow none.
        String pm = config.machine().contains("q35") ? "ICH9-LPC" : "PIIX4_PM";
        add("-global", pm + ".disable_s3=1", "-display", "none");
    }

    /// A guest that breaks out into QEMU finds no program to start and no rights to gain there. For a bridge QEMU
    /// starts a helper that needs the rights of root, so only root's QEMU, which has them, keeps the rest of the
    /// sandbox.
    private void sandbox() {
        boolean helper =
                config.networks().stream().anyMatch(network -> network.mode().equals("bridge"));
        if (config.extraArguments().contains("-sandbox")) {
            return; // The user's own choice.
        }
        if (helper && !"root".equals(System.getProperty("user.name"))) {
            return;
        }
        QemuSandbox.options(binary, helper).ifPresent(options -> add("-sandbox", options));
    }

    private String topNode(String diskId) {
        for (int i = 0; i < chains.size(); i++) {
            VmConfig.Disk disk = config.disks().get(i);
            if (disk.id().equals(diskId)) {
                return node(disk, chains.get(i).depth() - 1);
            }
        }
        throw new IllegalStateException("no disk " + diskId);
    }

    private void memory() {
        add("-m", "size=" + config.memoryBytes() / 1024 + "k");
        String shared = "id=" + MEMORY_ID + ",share=on,size=" + config.memoryBytes();
        switch (config.memoryBackend()) {
            case ANONYMOUS -> {}
            case MEMFD -> add("-object", "memory-backend-memfd," + shared);
            // Of a folder QEMU makes a file in it, which has a name for a moment only.
            case SHARED -> add("-object", "memory-backend-file," + shared + ",mem-path=" + SharedMemoryFolder.path());
        }
    }

    private void monitors() {
        add("-chardev", "socket,id=qmp0,server=on,wait=off,path=" + option(sockets.qmp()));
        add("-mon", "chardev=qmp0,mode=control");
        // A second monitor for out-of-band commands, when somebody waits on the first one.
        add("-chardev", "socket,id=qmp1,server=on,wait=off,path=" + option(sockets.qmpOutOfBand()));
        add("-mon", "chardev=qmp1,mode=control");
        add("-pidfile", sockets.pidFile().toString());
        add("-chardev", "file,id=serial0,append=on,path=" + option(sockets.serialLog()), "-serial", "chardev:serial0");
    }

    private void disk(int index) {
        BackingChain chain = chains.get(index);
        VmConfig.Disk disk = config.disks().get(index);
        int served = chain.servedDepth();
        if (served > 0) {
            add("-blockdev", Json.write(servedLayers(disk, served - 1)));
        }
        for (int depth = served; depth < chain.depth(); depth++) {
            boolean top = depth == chain.depth() - 1;
            add("-blockdev", Json.write(blockdev(disk, chain.layers().get(depth), depth, top)));
        }
        // A guest that is told of an error gives its file system up: it is stopped instead, until the host is mended.
        String drive = "drive=" + node(disk, chain.depth() - 1) + ",id=" + disk.id() + ",werror=stop,rerror=stop";
        switch (disk.attachment()) {
            case VIRTIO -> add("-device", "virtio-blk-pci," + drive);
            case SCSI ->
                add(
                        "-device",
                        "virtio-scsi-pci,id=scsi" + index,
                        "-device",
                        "scsi-hd," + drive + ",bus=scsi" + index + ".0");
            case PFLASH -> {} // The machine refers to it.
            case IDE -> add("-device", "ide-hd,bus=ide." + index + "," + drive);
        }
    }

    /// The layers that a server has for QEMU, under the name of the topmost.
    private Map<String, Object> servedLayers(VmConfig.Disk disk, int depth) {
        var node = new LinkedHashMap<String, Object>();
        node.put("driver", "nbd");
        node.put("node-name", node(disk, depth));
        node.put("read-only", true);
        node.put("server", Map.of("type", "unix", "path", sockets.layers(disk).toString()));
        return node;
    }

    static Map<String, Object> blockdev(VmConfig.Disk disk, Layer layer, int depth, boolean writable) {
        var file = new LinkedHashMap<String, Object>();
        file.put("driver", "file");
        file.put("filename", layer.path());
        // QEMU would drop the page cache of this file when it takes over, just when pages are read from it.
        file.put("drop-cache", false);
        var node = new LinkedHashMap<String, Object>();
        node.put("driver", layer.format().qemuName());
        node.put("node-name", node(disk, depth));
        node.put("read-only", !writable);
        node.put("discard", "unmap");
        node.put("file", file);
        if (layer.format().hasBacking()) {
            node.put("backing", depth == 0 ? null : node(disk, depth - 1));
        }
        return node;
    }

    private void networks() {
        for (int i = 0; i < config.networks().size(); i++) {
            VmConfig.Network network = config.networks().get(i);
            String id = "net" + i;
            add(
                    "-netdev",
                    switch (network.mode()) {
                        case "user" -> {
                            var options = new StringBuilder("user,id=" + id);
                            network.forwards()
                                    .forEach(forward ->
                                            options.append(",hostfwd=").append(forward));
                            yield options.toString();
                        }
                        case VmConfig.Network.ISOLATED -> "user,restrict=on,id=" + id;
                        case "tap" -> "tap,id=" + id + ",ifname=" + network.target() + ",script=no,downscript=no";
                        default -> "bridge,id=" + id + ",br=" + network.target();
                    });
            add("-device", "virtio-net-pci,netdev=" + id + ",mac=" + network.macAddress());
        }
    }

    private void guestDevices() {
        if (config.vnc() != null) {
            add(
                    "-vnc",
                    config.vnc().replace(RUNTIME_PLACEHOLDER, sockets.runtime().toString()),
                    "-device",
                    "VGA,vgamem_mb=16",
                    "-device",
                    "virtio-tablet-pci",
                    "-device",
                    "virtio-keyboard-pci");
        }
        if (config.uefi() != null) {
            add(
                    "-blockdev",
                    Json.write(Map.of(
                            "driver",
                            "raw",
                            "node-name",
                            "uefi-code",
                            "read-only",
                            true,
                            "file",
                            Map.of("driver", "file", "filename", config.uefi().code()))));
        }
        if (config.vmgenid() != null) {
            add("-device", "vmgenid,guid=" + config.vmgenid());
        }
        if (config.guestAgent()) {
            add("-device", "virtio-serial-pci,id=agent-bus");
            add("-chardev", "socket,id=agent,server=on,wait=off,path=" + option(sockets.guestAgent()));
            add("-device", "virtserialport,bus=agent-bus.0,chardev=agent,name=org.qemu.guest_agent.0");
        }
    }

    private void kernel() {
        VmConfig.Kernel kernel = config.kernel();
        if (kernel == null) {
            return;
        }
        add("-kernel", kernel.image());
        if (kernel.initrd() != null) {
            add("-initrd", kernel.initrd());
        }
        if (kernel.append() != null) {
            add("-append", kernel.append());
        }
    }
}
