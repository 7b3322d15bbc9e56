package dev.dormouse.cli;

import dev.dormouse.daemon.VmSettings;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.engine.VmStatus;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "create",
        description = {
            "Makes a VM; 'dormouse start' boots it.",
            "Machine type, CPU model and accelerator are resolved now and stay as they are."
        },
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  dormouse vm create web --memory 4G --cpus 2 --disk web.qcow2 \\",
            "      --network user,forward=tcp:127.0.0.1:2222-:22",
            "  dormouse vm create desk --golden debian.qcow2 --vnc 127.0.0.1:1 --guest-agent",
            "  dormouse vm create desk --golden debian.qcow2 --front 5901=vnc --idle-after 600",
            "  dormouse vm create tiny --kernel vmlinuz --initrd initrd.gz --append 'console=ttyS0'",
            "  dormouse vm create web --file web.yaml --memory 8G"
        })
final class CreateCommand extends FactsCommand {
    @Parameters(paramLabel = "NAME", arity = "0..1", description = "Its name; may be left out if the file has one.")
    private @Nullable String name;

    @Option(
            names = "--file",
            paramLabel = "YAML",
            description = "A file that describes the VM; other options go before what it says. "
                    + "Its relative paths start from its folder.")
    private @Nullable Path file;

    @Option(names = "--memory", paramLabel = "SIZE", description = "As in 4G or 512M (default: 2G).")
    private @Nullable String memory;

    @Option(names = "--cpus", paramLabel = "COUNT", description = "1 to 255 (default: 1).")
    private @Nullable Integer cpus;

    @ArgGroup(multiplicity = "0..*")
    private @Nullable List<DiskOption> disks;

    @Option(names = "--machine", paramLabel = "TYPE", description = "Machine type of QEMU (default: q35).")
    private @Nullable String machine;

    @Option(names = "--accel", paramLabel = "NAME", description = "auto, kvm or tcg (default: auto).")
    private @Nullable String accel;

    @Option(names = "--cpu", paramLabel = "MODEL", description = "A named CPU model (default: qemu64-v1).")
    private @Nullable String cpu;

    @Option(
            names = "--memory-backend",
            paramLabel = "NAME",
            description = "anonymous, shared or memfd (default: anonymous).")
    private @Nullable String memoryBackend;

    @Option(names = "--kernel", paramLabel = "PATH", description = "A kernel that QEMU loads itself.")
    private @Nullable String kernel;

    @Option(names = "--initrd", paramLabel = "PATH", description = "The initial RAM disk of that kernel.")
    private @Nullable String initrd;

    @Option(names = "--append", paramLabel = "TEXT", description = "The command line of that kernel.")
    private @Nullable String append;

    @Option(
            names = "--network",
            paramLabel = "SPEC",
            description = "A network card, in the order given: user[,forward=tcp:127.0.0.1:2222-:22]..., "
                    + "tap=NAME or bridge=NAME, each with [,mac=ADDRESS].")
    private @Nullable List<String> networks;

    @Option(names = "--vnc", paramLabel = "WHERE", description = "Listens for VNC, as in 127.0.0.1:1.")
    private @Nullable String vnc;

    @Option(names = "--uefi-code", paramLabel = "PATH", description = "UEFI firmware, which is only read.")
    private @Nullable String uefiCode;

    @Option(
            names = "--uefi-variables",
            paramLabel = "PATH",
            description = "Its variable store, which the guest writes.")
    private @Nullable String uefiVariables;

    @Option(names = "--guest-agent", description = "Adds the channel of QEMU's guest agent.")
    private boolean guestAgent;

    @Option(names = "--no-vmgenid", description = "Leaves out the device by which a guest knows that it was cloned.")
    private boolean noVmgenid;

    @Option(
            names = "--image-key",
            paramLabel = "FILE",
            description = "Encrypts the VM's images with the key in this file, whose path is kept.")
    private @Nullable String imageKey;

    @Option(
            names = "--qemu-arg",
            paramLabel = "ARG",
            description = "One more argument for QEMU; may be repeated. Write --qemu-arg=-device, with '='.")
    private @Nullable List<String> extraArguments;

    @Mixin
    private SettingsFlags daemon = new SettingsFlags();

    /// One disk; the options may be mixed, and the guest sees the disks in their order.
    static final class DiskOption {
        @Option(
                names = "--disk",
                paramLabel = "PATH[,attachment=NAME]",
                required = true,
                description = "A raw or qcow2 file of the VM's own; virtio (default), scsi or ide. May be repeated. "
                        + "Of another format, as vmdk or vdi, it is never written; the VM gets an overlay on it.")
        private @Nullable String path;

        @Option(
                names = "--golden",
                paramLabel = "PATH[,attachment=NAME]",
                required = true,
                description = "A file that is shared and never written; the VM gets an overlay on it.")
        private @Nullable String golden;

        Map<String, Object> request() {
            return path != null ? DeviceSpecs.disk("path", path) : DeviceSpecs.disk("golden", String.valueOf(golden));
        }
    }

    @Override
    int run() throws IOException {
        VmRequest request = VmFile.request(values());
        Engine engine = engine();
        VmSettings settings = daemon.settings();
        if (settings != null) {
            settings.checkFor(request.vnc(), request.forwards(), Boolean.TRUE.equals(request.guestAgent()));
            settings.checkBeside(engine.home(), request.name(), engine.names());
        }
        VmStatus created = engine.create(request);
        if (settings != null) {
            settings.write(main().home(), created.name());
        }
        return print(created);
    }

    /// {@return what the file says, overridden by the options}
    private Map<String, Object> values() throws IOException {
        Map<String, Object> values = new LinkedHashMap<>(file == null ? Map.of() : VmFile.read(file));
        put(values, "name", name);
        if (!values.containsKey("name")) {
            throw new IllegalArgumentException("no name given, as in 'dormouse vm create NAME'");
        }
        put(values, "memory", memory);
        put(values, "cpus", cpus);
        put(values, "machine", machine);
        put(values, "accel", accel);
        put(values, "cpu", cpu);
        put(values, "memoryBackend", memoryBackend);
        put(
                values,
                "disks",
                disks == null ? null : disks.stream().map(DiskOption::request).toList());
        put(values, "kernel", kernel);
        put(values, "initrd", initrd);
        put(values, "append", append);
        put(
                values,
                "networks",
                networks == null
                        ? null
                        : networks.stream().map(DeviceSpecs::network).toList());
        put(values, "vnc", vnc);
        if (daemon.needsVnc()) {
            values.putIfAbsent("vnc", "unix:{runtime}/vnc"); // Only the front leads there.
        }
        put(values, "uefiCode", uefiCode);
        put(values, "uefiVariables", uefiVariables);
        put(values, "guestAgent", guestAgent ? true : null);
        put(values, "vmgenid", noVmgenid ? false : null);
        put(values, "extraArguments", extraArguments);
        put(values, "imageKey", imageKey);
        return values;
    }

    private static void put(Map<String, Object> values, String key, @Nullable Object value) {
        if (value != null) {
            values.put(key, value);
        }
    }
}
