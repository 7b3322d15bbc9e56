package dev.dormouse.engine;

import io.avaje.jsonb.Json;
import java.util.List;
import java.util.Objects;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A VM as it was created, with everything resolved that a later restore must find again: the versioned
/// machine type, the named CPU model, the accelerator. Written once; stored with each image too.
///
/// @param machine versioned machine type, for example `pc-q35-7.2`
/// @param accelerator `kvm` or `tcg`
/// @param disks in the order in which the guest sees them
/// @param networks one per card
/// @param vnc display of a VNC server, for example `127.0.0.1:1` or `unix:/path`, in which `{runtime}` stands for the
///     folder of the VM's sockets; none if null
/// @param vmgenid the generation id that the guest sees, a GUID of this VM's own; no device if null
/// @param extraArguments appended to QEMU's command line; `{runtime}` in them stands for the folder of the
///     VM's sockets
/// @param imageKey file of the key that encrypts the VM's images; null if they are in the clear. In an image: that of
///     its own key
/// @param qemuVersion of the QEMU for which it was resolved, for example `7.2.22`
@Json
public record VmConfig(
        String name,
        long memoryBytes,
        int cpus,
        String machine,
        String accelerator,
        String cpuModel,
        MemoryBackend memoryBackend,
        List<Disk> disks,
        @Nullable Kernel kernel,
        List<Network> networks,
        @Nullable String vnc,
        @Nullable UefiFirmware uefi,
        boolean guestAgent,
        @Nullable String vmgenid,
        List<String> extraArguments,
        String qemuVersion,
        @Nullable String imageKey) {

    /// Where QEMU keeps the guest's memory.
    public enum MemoryBackend {
        /// Private anonymous memory, QEMU's default; captured by stream.
        ANONYMOUS,
        /// A shared memfd: captured directly by QEMU before 8.0, by stream from then on.
        MEMFD,
        /// A shared file without a name in `/dev/shm`: captured directly.
        SHARED
    }

    /// A disk of the VM. Its layers are in [VmRecord], because they change.
    ///
    /// @param id `disk0`, `disk1`, ...; names the device in QEMU
    /// @param sizeBytes what the guest sees
    /// @param goldenLayers how many layers from the bottom are shared with others and never written
    @Json
    public record Disk(String id, long sizeBytes, Interface attachment, int goldenLayers) {
        /// The device behind which the guest finds the disk.
        public enum Interface {
            VIRTIO,
            SCSI,
            IDE,
            /// No device of its own: the variable store of UEFI firmware.
            PFLASH
        }
    }

    /// A kernel that QEMU loads itself.
    @Json
    public record Kernel(
            String image, @Nullable String initrd, @Nullable String append) {}

    /// A network card.
    ///
    /// @param mode `user`, `tap` or `bridge`
    /// @param target name of the tap device or of the bridge; null in mode `user`
    /// @param forwards host forwards of mode `user` in QEMU's form, for example `tcp:127.0.0.1:2222-:22`
    @Json
    public record Network(String mode, @Nullable String target, List<String> forwards, String macAddress) {
        /// The mode of a user network that leads nowhere; never of a VM that is recorded.
        static final String ISOLATED = "isolated";

        public Network {
            forwards = List.copyOf(forwards);
        }
    }

    /// Firmware from pflash. The variable store is frozen with the disks, because the guest writes it.
    ///
    /// @param code read-only firmware image
    /// @param variablesDisk id of the disk that is the variable store
    @Json
    public record UefiFirmware(String code, String variablesDisk) {}

    /// Words of QEMU's command line: nothing that would begin another option in the same argument.
    private static final Pattern WORD = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._:+/-]{0,127}");
    /// A CPU model may have features, as in `Nehalem-v1,+aes`.
    private static final Pattern CPU = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._:+=,~-]{0,1023}");
    private static final Pattern DISK_ID = Pattern.compile("disk[0-9]{1,3}");
    private static final Pattern FORWARD = Pattern.compile("[a-z]*:[A-Za-z0-9.:\\[\\]-]{1,200}");
    private static final Pattern MAC = Pattern.compile("[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}");
    /// An address and the number of a display, or a socket; options of QEMU's behind it are left to it.
    private static final Pattern VNC = Pattern.compile("[^\\p{Cntrl}]{1,1024}");

    /// Checks that nothing is missing and that each text has the form of what it stands for, whoever wrote it.
    ///
    /// @throws IllegalArgumentException that names the component
    void check() {
        require("name", name, Home::isName);
        require("machine", machine, WORD);
        require("accelerator", accelerator, List.of("kvm", "tcg")::contains);
        require("cpuModel", cpuModel, CPU);
        require("qemuVersion", qemuVersion, WORD);
        require("memoryBackend", memoryBackend == null ? null : memoryBackend.name(), _ -> true);
        require("memoryBytes", Long.toString(memoryBytes), _ -> memoryBytes > 0 && memoryBytes % 4096 == 0);
        require("cpus", Integer.toString(cpus), _ -> cpus >= 1 && cpus <= 255);
        for (Disk disk : disks) {
            require("disks", disk.id(), DISK_ID);
            require("disks", disk.attachment() == null ? null : disk.id(), _ -> disk.sizeBytes() >= 0);
        }
        for (Network network : networks) {
            require("networks", network.mode(), List.of("user", "tap", "bridge")::contains);
            require("networks", network.macAddress(), MAC);
            require(
                    "networks",
                    Objects.requireNonNullElse(network.target(), ""),
                    target -> network.mode().equals("user") ? target.isEmpty() : isInterface(target));
            network.forwards().forEach(forward -> require("forwards", forward, FORWARD));
        }
        require("vnc", Objects.requireNonNullElse(vnc, "none"), VNC);
        require(
                "imageKey",
                Objects.requireNonNullElse(imageKey, "/"),
                path -> path.startsWith("/") && path.indexOf('\0') < 0);
        require("vmgenid", Objects.requireNonNullElse(vmgenid, "auto"), WORD);
        if (kernel != null) {
            require("kernel", kernel.image(), _ -> true);
        }
        if (uefi != null) {
            require("uefi", uefi.code(), _ -> true);
            require("uefi", uefi.variablesDisk(), DISK_ID);
        }
        extraArguments.forEach(argument -> require("extraArguments", argument, text -> text.indexOf('\0') < 0));
    }

    /// A name as the kernel takes it for a device, without what QEMU would take for the end of it.
    private static boolean isInterface(String name) {
        return name.length() <= 15 && name.matches("[A-Za-z0-9][A-Za-z0-9._-]*");
    }

    private static void require(String component, @Nullable String value, Pattern form) {
        require(component, value, form.asMatchPredicate());
    }

    private static void require(String component, @Nullable String value, Predicate<String> form) {
        if (value == null || !form.test(value)) {
            throw new IllegalArgumentException("'%s' is %s, which is not allowed"
                    .formatted(component, value == null ? "missing" : "'" + value + "'"));
        }
    }

    /// {@return the same machine, which reaches nobody: its networks lead nowhere, and its display is nobody's to look
    /// at}
    VmConfig isolated() {
        return new VmConfig(
                name,
                memoryBytes,
                cpus,
                machine,
                accelerator,
                cpuModel,
                memoryBackend,
                disks,
                kernel,
                networks.stream()
                        .map(network -> new Network(Network.ISOLATED, null, List.of(), network.macAddress()))
                        .toList(),
                vnc == null ? null : "none",
                uefi,
                guestAgent,
                vmgenid,
                extraArguments,
                qemuVersion,
                imageKey);
    }

    VmConfig withImageKey(@Nullable String file) {
        return new VmConfig(
                name,
                memoryBytes,
                cpus,
                machine,
                accelerator,
                cpuModel,
                memoryBackend,
                disks,
                kernel,
                networks,
                vnc,
                uefi,
                guestAgent,
                vmgenid,
                extraArguments,
                qemuVersion,
                file);
    }

    public VmConfig {
        disks = List.copyOf(disks);
        networks = List.copyOf(networks);
        extraArguments = List.copyOf(extraArguments);
    }
}
