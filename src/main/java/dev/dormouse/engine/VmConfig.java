package dev.dormouse.engine;

import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A VM as it was created, with everything resolved that a later restore must find again: the versioned
/// machine type, the named CPU model, the accelerator. Written once; stored with each image too.
///
/// @param machine versioned machine type, for example `pc-q35-7.2`
/// @param accelerator `kvm` or `tcg`
/// @param disks in the order in which the guest sees them
/// @param networks one per card
/// @param vnc display of a VNC server, for example `127.0.0.1:1` or `unix:/path`; none if null
/// @param vmgenid the generation id that the guest sees, a GUID of this VM's own; no device if null
/// @param extraArguments appended to QEMU's command line; `{runtime}` in them stands for the folder of the
///     VM's sockets
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
        String qemuVersion) {

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
    public record Network(String mode, @Nullable String target, List<String> forwards, String macAddress) {}

    /// Firmware from pflash. The variable store is frozen with the disks, because the guest writes it.
    ///
    /// @param code read-only firmware image
    /// @param variablesDisk id of the disk that is the variable store
    @Json
    public record UefiFirmware(String code, String variablesDisk) {}

    public VmConfig {
        disks = List.copyOf(disks);
        networks = List.copyOf(networks);
        extraArguments = List.copyOf(extraArguments);
    }
}
