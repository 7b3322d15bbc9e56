package dev.dormouse.engine;

import dev.dormouse.qmp.Accelerator;
import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a user asks for when a VM is created, before it is resolved into a [VmConfig]. Null means "the
/// default". Also the form of the YAML file that `vm create` takes.
///
/// @param memory with a unit, for example `4G` or `512M`; 2G unless given
/// @param cpus 1 unless given
/// @param machine `q35` unless given, or another machine type of the QEMU in use
/// @param accel `auto`, `kvm` or `tcg`
/// @param cpu a named CPU model
/// @param memoryBackend `anonymous`, `shared` or `memfd`
/// @param disks none is allowed
/// @param kernel, initrd, append for a kernel that QEMU loads itself
/// @param networks none is allowed
/// @param vnc where a VNC server listens, for example `127.0.0.1:1`
/// @param uefiCode, uefiVariables firmware image, and the variable store that the guest writes
/// @param guestAgent whether there is a channel for the QEMU guest agent
/// @param vmgenid whether the guest can tell a clone by its generation id; yes unless given
/// @param extraArguments appended to QEMU's command line
@Json
public record VmRequest(
        String name,
        @Nullable String memory,
        @Nullable Integer cpus,
        @Nullable String machine,
        @Nullable String accel,
        @Nullable String cpu,
        @Nullable String memoryBackend,
        @Nullable List<DiskRequest> disks,
        @Nullable String kernel,
        @Nullable String initrd,
        @Nullable String append,
        @Nullable List<NetworkRequest> networks,
        @Nullable String vnc,
        @Nullable String uefiCode,
        @Nullable String uefiVariables,
        @Nullable Boolean guestAgent,
        @Nullable Boolean vmgenid,
        @Nullable List<String> extraArguments) {

    /// A disk: either a file that the VM gets for itself, or a golden base on which it gets an overlay.
    ///
    /// @param path raw or qcow2 file that the VM writes
    /// @param golden raw or qcow2 file that is shared and never written
    /// @param attachment `virtio` (unless given), `scsi` or `ide`
    @Json
    public record DiskRequest(
            @Nullable String path,
            @Nullable String golden,
            @Nullable String attachment) {}

    /// A network card.
    ///
    /// @param mode `user`, `tap` or `bridge`
    /// @param target name of the tap device or bridge
    /// @param forwards host forwards of mode `user`
    /// @param mac drawn at random unless given
    @Json
    public record NetworkRequest(
            String mode,
            @Nullable String target,
            @Nullable List<String> forwards,
            @Nullable String mac) {}

    /// {@return a request with all defaults}
    public static VmRequest named(String name) {
        return new VmRequest(
                name, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
                null);
    }

    public VmRequest withMemory(String value) {
        return new VmRequest(
                name,
                value,
                cpus,
                machine,
                accel,
                cpu,
                memoryBackend,
                disks,
                kernel,
                initrd,
                append,
                networks,
                vnc,
                uefiCode,
                uefiVariables,
                guestAgent,
                vmgenid,
                extraArguments);
    }

    public VmRequest withCpus(int value) {
        return new VmRequest(
                name,
                memory,
                value,
                machine,
                accel,
                cpu,
                memoryBackend,
                disks,
                kernel,
                initrd,
                append,
                networks,
                vnc,
                uefiCode,
                uefiVariables,
                guestAgent,
                vmgenid,
                extraArguments);
    }

    public VmRequest withMachine(String value) {
        return new VmRequest(
                name,
                memory,
                cpus,
                value,
                accel,
                cpu,
                memoryBackend,
                disks,
                kernel,
                initrd,
                append,
                networks,
                vnc,
                uefiCode,
                uefiVariables,
                guestAgent,
                vmgenid,
                extraArguments);
    }

    public VmRequest withMemoryBackend(String value) {
        return new VmRequest(
                name,
                memory,
                cpus,
                machine,
                accel,
                cpu,
                value,
                disks,
                kernel,
                initrd,
                append,
                networks,
                vnc,
                uefiCode,
                uefiVariables,
                guestAgent,
                vmgenid,
                extraArguments);
    }

    public VmRequest withDisks(List<DiskRequest> value) {
        return new VmRequest(
                name,
                memory,
                cpus,
                machine,
                accel,
                cpu,
                memoryBackend,
                value,
                kernel,
                initrd,
                append,
                networks,
                vnc,
                uefiCode,
                uefiVariables,
                guestAgent,
                vmgenid,
                extraArguments);
    }

    public VmRequest withKernel(String image, String initrdImage, String arguments) {
        return new VmRequest(
                name,
                memory,
                cpus,
                machine,
                accel,
                cpu,
                memoryBackend,
                disks,
                image,
                initrdImage,
                arguments,
                networks,
                vnc,
                uefiCode,
                uefiVariables,
                guestAgent,
                vmgenid,
                extraArguments);
    }

    public VmRequest withExtraArguments(List<String> value) {
        return new VmRequest(
                name,
                memory,
                cpus,
                machine,
                accel,
                cpu,
                memoryBackend,
                disks,
                kernel,
                initrd,
                append,
                networks,
                vnc,
                uefiCode,
                uefiVariables,
                guestAgent,
                vmgenid,
                value);
    }

    Accelerator.Choice acceleratorChoice() {
        return Choice.of("accelerator", Accelerator.Choice.class, accel, Accelerator.Choice.AUTO);
    }

    VmConfig.MemoryBackend memoryBackendChoice() {
        return Choice.of(
                "memory back end", VmConfig.MemoryBackend.class, memoryBackend, VmConfig.MemoryBackend.ANONYMOUS);
    }
}
