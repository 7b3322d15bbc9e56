package dev.dormouse.engine;

import dev.dormouse.qmp.Accelerator;
import io.avaje.jsonb.Json;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
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
/// @param imageKey file of the key that encrypts the VM's images; they are in the clear unless given
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
        @Nullable List<String> extraArguments,
        @Nullable String imageKey) {

    /// A disk: either a file that the VM gets for itself, or a golden base on which it gets an overlay.
    ///
    /// @param path raw or qcow2 file that the VM writes; of another format it is taken as `golden`
    /// @param golden file that is shared and never written
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

    /// {@return the host forwards of all networks, in QEMU's form}
    public List<String> forwards() {
        List<NetworkRequest> cards = networks == null ? List.of() : networks;
        return cards.stream()
                .map(NetworkRequest::forwards)
                .filter(Objects::nonNull)
                .flatMap(List::stream)
                .toList();
    }

    /// {@return a request with all defaults}
    public static VmRequest named(String name) {
        return new VmRequest(
                name, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
                null, null);
    }

    public VmRequest withMemory(String value) {
        return with(copy -> copy.memory = value);
    }

    public VmRequest withCpus(int value) {
        return with(copy -> copy.cpus = value);
    }

    public VmRequest withMachine(String value) {
        return with(copy -> copy.machine = value);
    }

    public VmRequest withMemoryBackend(String value) {
        return with(copy -> copy.memoryBackend = value);
    }

    public VmRequest withDisks(List<DiskRequest> value) {
        return with(copy -> copy.disks = value);
    }

    public VmRequest withKernel(String image, String initrdImage, String arguments) {
        return with(copy -> {
            copy.kernel = image;
            copy.initrd = initrdImage;
            copy.append = arguments;
        });
    }

    public VmRequest withNetworks(List<NetworkRequest> value) {
        return with(copy -> copy.networks = value);
    }

    public VmRequest withVnc(String value) {
        return with(copy -> copy.vnc = value);
    }

    public VmRequest withUefi(String code, String variables) {
        return with(copy -> {
            copy.uefiCode = code;
            copy.uefiVariables = variables;
        });
    }

    public VmRequest withGuestAgent(boolean value) {
        return with(copy -> copy.guestAgent = value);
    }

    public VmRequest withExtraArguments(List<String> value) {
        return with(copy -> copy.extraArguments = value);
    }

    public VmRequest withImageKey(String file) {
        return with(copy -> copy.imageKey = file);
    }

    private VmRequest with(Consumer<Copy> change) {
        var copy = new Copy(this);
        change.accept(copy);
        return copy.request();
    }

    /// The same fields, open to changes: the one place that lists them all.
    private static final class Copy {
        private final String name;
        private @Nullable String memory;
        private @Nullable Integer cpus;
        private @Nullable String machine;
        private @Nullable String accel;
        private @Nullable String cpu;
        private @Nullable String memoryBackend;
        private @Nullable List<DiskRequest> disks;
        private @Nullable String kernel;
        private @Nullable String initrd;
        private @Nullable String append;
        private @Nullable List<NetworkRequest> networks;
        private @Nullable String vnc;
        private @Nullable String uefiCode;
        private @Nullable String uefiVariables;
        private @Nullable Boolean guestAgent;
        private @Nullable Boolean vmgenid;
        private @Nullable List<String> extraArguments;
        private @Nullable String imageKey;

        Copy(VmRequest request) {
            name = request.name;
            memory = request.memory;
            cpus = request.cpus;
            machine = request.machine;
            accel = request.accel;
            cpu = request.cpu;
            memoryBackend = request.memoryBackend;
            disks = request.disks;
            kernel = request.kernel;
            initrd = request.initrd;
            append = request.append;
            networks = request.networks;
            vnc = request.vnc;
            uefiCode = request.uefiCode;
            uefiVariables = request.uefiVariables;
            guestAgent = request.guestAgent;
            vmgenid = request.vmgenid;
            extraArguments = request.extraArguments;
            imageKey = request.imageKey;
        }

        VmRequest request() {
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
                    extraArguments,
                    imageKey);
        }
    }

    Accelerator.Choice acceleratorChoice() {
        return Choice.of("accelerator", Accelerator.Choice.class, accel, Accelerator.Choice.AUTO);
    }

    VmConfig.MemoryBackend memoryBackendChoice() {
        return Choice.of(
                "memory back end", VmConfig.MemoryBackend.class, memoryBackend, VmConfig.MemoryBackend.ANONYMOUS);
    }
}
