package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.VmConfig.Disk;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.engine.VmRequest.NetworkRequest;
import dev.dormouse.image.ImageKey;
import dev.dormouse.qmp.Accelerator;
import dev.dormouse.qmp.QemuBinary;
import dev.dormouse.qmp.QemuException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.UUID;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Resolves a request into a VM: every word that means something else on another QEMU is replaced by one
/// that does not.
final class VmCreation {
    private static final String DEFAULT_MEMORY = "2G";
    private static final long MEMORY_BYTES_MIN = 16 << 20;
    private static final int OVERCOMMIT_MAX = 16; // More than that is a slip of the finger.
    /// Those whose devices a restore was tried with.
    private static final Pattern MACHINE = Pattern.compile("pc-(q35|i440fx)-.+");
    private static final Pattern VNC = Pattern.compile("(unix:(\\{runtime})?/[^,]+|[^,/]*:\\d+)(,.*)?");
    private static final Pattern FORWARD = Pattern.compile("(tcp|udp):[^:,]*:(\\d+)-[^:,]*:(\\d+)");
    private static final int PORT_MAX = 65_535;
    private static final SecureRandom RANDOM = new SecureRandom();

    private final Home home;
    private final QemuTools tools;
    private final VmRequest request;
    private final List<Disk> disks = new ArrayList<>();
    private final List<BackingChain> chains = new ArrayList<>();

    VmCreation(Home home, QemuTools tools, VmRequest request) {
        this.home = home;
        this.tools = tools;
        this.request = request;
    }

    Vm create() throws IOException {
        Home.checkName(request.name());
        ExtraArguments.check(request.name(), orEmpty(request.extraArguments()));
        try (VmLock _ = createFolder()) {
            return createIn();
        }
    }

    /// Somebody who collects garbage may not take a folder without a state for one that was left.
    private VmLock createFolder() throws IOException {
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            home.createVmFolder(request.name());
            return VmLock.tryAcquire(home.vm(request.name()), "vm create").orElseThrow();
        }
    }

    private Vm createIn() throws IOException {
        try {
            for (DiskRequest disk : orEmpty(request.disks())) {
                addDisk(disk);
            }
            VmConfig config = resolve();
            check(config);
            return Vm.create(home, config, new VmRecord(VmState.STOPPED, chains, null, List.of(), null, 0, Vm.now()));
        } catch (IOException | RuntimeException e) {
            Removal.deleteFolder(home.storage(), home.vm(request.name()));
            throw e;
        }
    }

    /// A file of a VM may come from anybody; none of its words may be more than one to QEMU.
    private static void check(VmConfig config) throws UsageException {
        try {
            config.check();
        } catch (IllegalArgumentException e) {
            throw new UsageException("vm %s: %s".formatted(config.name(), e.getMessage()), e);
        }
    }

    private VmConfig resolve() throws IOException {
        QemuBinary qemu = tools.qemu();
        String accelerator = accelerator(qemu).kind().option();
        VmConfig.UefiFirmware uefi = uefi();
        return new VmConfig(
                request.name(),
                memoryBytes(),
                cpus(),
                machineType(qemu),
                accelerator,
                cpuModel(qemu),
                request.memoryBackendChoice(),
                disks,
                kernel(),
                networks(),
                vnc(),
                uefi,
                Boolean.TRUE.equals(request.guestAgent()),
                Boolean.FALSE.equals(request.vmgenid())
                        ? null
                        : UUID.randomUUID().toString(),
                orEmpty(request.extraArguments()),
                qemu.version().numbers(),
                imageKey());
    }

    private long memoryBytes() throws IOException {
        long bytes = MemorySize.parse("memory", Objects.requireNonNullElse(request.memory(), DEFAULT_MEMORY));
        if (bytes < MEMORY_BYTES_MIN || bytes % (1 << 20) != 0) {
            throw new UsageException("vm %s: memory is %s, 16M or more in whole MiB is allowed"
                    .formatted(request.name(), request.memory()));
        }
        long hostBytes = MemorySize.ofHost();
        if (bytes / OVERCOMMIT_MAX > hostBytes) {
            throw new UsageException("vm %s: memory is %s, more than %d times the %d MiB of this host"
                    .formatted(request.name(), request.memory(), OVERCOMMIT_MAX, hostBytes >> 20));
        }
        return bytes;
    }

    /// A VM that could never be started is refused now.
    private Accelerator accelerator(QemuBinary qemu) throws IOException {
        Accelerator.Choice choice = request.acceleratorChoice();
        Accelerator usable =
                choice == Accelerator.Choice.TCG ? qemu.accelerator(choice) : qemu.accelerator(Accelerator.Choice.AUTO);
        if (choice == Accelerator.Choice.KVM && usable.kind() != Accelerator.Kind.KVM) {
            throw new UsageException("vm %s: accelerator 'kvm' cannot be used here: %s; tcg works everywhere"
                    .formatted(request.name(), usable.reason()));
        }
        return usable;
    }

    private @Nullable String vnc() throws UsageException {
        String vnc = request.vnc();
        if (vnc != null && !VNC.matcher(vnc).matches()) {
            throw new UsageException("vm %s: VNC is '%s', ADDRESS:DISPLAY or unix:PATH is allowed, as in 127.0.0.1:1"
                    .formatted(request.name(), vnc));
        }
        return vnc;
    }

    private int cpus() throws UsageException {
        int cpus = Objects.requireNonNullElse(request.cpus(), 1);
        if (cpus < 1 || cpus > 255) {
            throw new UsageException("vm %s: CPU count is %d, 1 to 255 are allowed".formatted(request.name(), cpus));
        }
        return cpus;
    }

    private String machineType(QemuBinary qemu) throws IOException {
        String name = Objects.requireNonNullElse(request.machine(), "q35");
        try {
            return checked(name, qemu.machineType(name));
        } catch (QemuException e) {
            if (qemu.machineTypes().isEmpty()) {
                throw e; // It did not even list those that it knows.
            }
            throw new UsageException(
                    "vm %s: QEMU knows no machine type '%s', '%s -machine help' lists those that it knows"
                            .formatted(request.name(), name, qemu.path()),
                    e);
        }
    }

    private String checked(String name, String machine) throws UsageException {
        if (!MACHINE.matcher(machine).matches()) {
            throw new UsageException("vm %s: machine type is '%s', allowed are q35 and pc, also with a version"
                    .formatted(request.name(), name));
        }
        return machine;
    }

    /// `max` and `host` mean something else on each QEMU and each host, so a restore could not be sure of
    /// them.
    private String cpuModel(QemuBinary qemu) throws IOException {
        String model = Objects.requireNonNullElse(request.cpu(), "qemu64-v1");
        String name = model.split(",", 2)[0];
        if (List.of("max", "host").contains(name)) {
            throw new UsageException(
                    "vm %s: CPU model '%s' differs from host to host, name a model, as in --cpu Nehalem-v1"
                            .formatted(request.name(), name));
        }
        if (!qemu.cpuModels().contains(name)) {
            throw new UsageException("vm %s: QEMU knows no CPU model '%s', '%s -cpu help' lists those that it knows"
                    .formatted(request.name(), name, qemu.path()));
        }
        return model;
    }

    private void addDisk(DiskRequest disk) throws IOException {
        Disk.Interface attachment =
                Choice.of("disk attachment", Disk.Interface.class, disk.attachment(), Disk.Interface.VIRTIO);
        if ((disk.path() == null) == (disk.golden() == null)) {
            throw new UsageException(
                    "vm %s: a disk has either a path of its own or a golden base".formatted(request.name()));
        }
        if (disk.golden() == null) {
            addOwnDisk(Path.of(disk.path()), attachment);
        } else {
            addGoldenDisk(Path.of(disk.golden()), attachment);
        }
    }

    /// QEMU's tools say it less clearly, or only when the VM starts.
    private void refuseUnlessDisk(Path file) throws IOException {
        if (!Files.exists(file)) {
            throw new VmException("%s: not found, vm %s is to have it as a disk".formatted(file, request.name()));
        }
        if (!Files.isRegularFile(file) && !isBlockDevice(file)) {
            throw new UsageException("%s: is neither a file nor a block device, vm %s cannot have it as a disk"
                    .formatted(file, request.name()));
        }
    }

    private static boolean isBlockDevice(Path file) throws IOException {
        int type = (int) Files.getAttribute(file, "unix:mode") & 0xf000;
        return type == 0x6000; // S_IFBLK
    }

    private void addOwnDisk(Path file, Disk.Interface attachment) throws IOException {
        refuseUnlessDisk(file);
        BackingChain chain = tools.images().backingChain(file.toAbsolutePath());
        if (!chain.top().format().isNative()) {
            addGoldenDisk(file, attachment); // Nobody writes this format.
            return;
        }
        refuseIfUsed(chain.top());
        refuseIfWritten(chain);
        disks.add(new Disk(nextId(), tools.images().virtualSizeBytes(file), attachment, chain.depth() - 1));
        chains.add(chain);
    }

    /// Two VMs that write one disk destroy it, and a layer that an image needs must not be written at all.
    private void refuseIfUsed(Layer layer) throws IOException {
        var owner = new Layers(home).pinnedBy(layer, request.name());
        if (owner.isPresent()) {
            throw new VmException("%s: belongs to %s already, give the VM a disk of its own or use it as a golden base"
                    .formatted(layer.path(), owner.get()));
        }
    }

    /// What lies below an overlay must stay as it is, and the next start of that VM would change it. The VM's
    /// own other disks count too.
    private void refuseIfWritten(BackingChain chain) throws IOException {
        for (Layer layer : chain.layers()) {
            Optional<String> writer = new Layers(home).writtenBy(layer);
            if (writer.isEmpty() && Layers.contains(ownLayers(), layer)) {
                writer = Optional.of("another disk of vm " + request.name());
            }
            if (writer.isPresent()) {
                throw new VmException("%s: %s writes it, give the VM a copy".formatted(layer.path(), writer.get()));
            }
        }
    }

    private List<BackingChain> ownLayers() {
        return chains.stream()
                .map(chain -> new BackingChain(List.of(chain.top())))
                .toList();
    }

    private void addGoldenDisk(Path golden, Disk.Interface attachment) throws IOException {
        refuseUnlessDisk(golden);
        BackingChain base = tools.images().backingChain(golden.toAbsolutePath());
        refuseIfWritten(base);
        long sizeBytes = tools.images().virtualSizeBytes(golden);
        String id = nextId();
        Path folder = home.createDurably(home.disks(request.name()));
        Path file = folder.resolve(id + ".qcow2");
        tools.images().createOverlay(file, base.top(), sizeBytes);
        home.storage().force(file);
        home.storage().forceDirectory(folder);
        disks.add(new Disk(id, sizeBytes, attachment, base.depth()));
        chains.add(base.with(new Layer(file.toString(), Layer.Format.QCOW2)));
    }

    private String nextId() {
        return "disk" + disks.size();
    }

    private VmConfig.@Nullable UefiFirmware uefi() throws IOException {
        if (request.uefiCode() == null || request.uefiVariables() == null) {
            if (request.uefiCode() != null || request.uefiVariables() != null) {
                throw new UsageException(
                        "vm %s: UEFI needs both the firmware and a variable store".formatted(request.name()));
            }
            return null;
        }
        addOwnDisk(Path.of(request.uefiVariables()), Disk.Interface.PFLASH);
        return new VmConfig.UefiFirmware(
                absolute(request.uefiCode()), disks.getLast().id());
    }

    private VmConfig.@Nullable Kernel kernel() throws IOException {
        if (request.kernel() == null) {
            if (request.initrd() != null || request.append() != null) {
                throw new UsageException(
                        "vm %s: an initrd or kernel arguments need a kernel".formatted(request.name()));
            }
            return null;
        }
        return new VmConfig.Kernel(
                absolute(request.kernel()),
                request.initrd() == null ? null : absolute(request.initrd()),
                request.append());
    }

    private @Nullable String imageKey() throws IOException {
        if (request.imageKey() == null) {
            return null;
        }
        Path file = Path.of(request.imageKey()).toAbsolutePath().normalize();
        ImageKey.read(file); // Refused now rather than when the VM is to be suspended.
        return file.toString();
    }

    private String absolute(String file) throws VmException {
        Path path = Path.of(file).toAbsolutePath().normalize();
        if (!Files.isReadable(path)) {
            throw new VmException("%s: not found or not readable, vm %s needs it".formatted(path, request.name()));
        }
        return path.toString();
    }

    private List<VmConfig.Network> networks() throws UsageException {
        var result = new ArrayList<VmConfig.Network>();
        for (NetworkRequest network : orEmpty(request.networks())) {
            // A file may lack the mode.
            String mode = Objects.requireNonNullElse(network.mode(), "without a mode");
            boolean user = mode.equals("user");
            if (!List.of("user", "tap", "bridge").contains(mode) || user != (network.target() == null)) {
                throw new UsageException("vm %s: network '%s', allowed are user, tap=NAME and bridge=NAME"
                        .formatted(request.name(), mode));
            }
            List<String> forwards = orEmpty(network.forwards());
            if (!user && !forwards.isEmpty()) {
                throw new UsageException("vm %s: network '%s' has forwards, only the network user may have them"
                        .formatted(request.name(), mode));
            }
            for (String forward : forwards) {
                checkForward(forward);
            }
            result.add(new VmConfig.Network(
                    mode, network.target(), forwards, network.mac() == null ? randomMac() : network.mac()));
        }
        return result;
    }

    private void checkForward(String forward) throws UsageException {
        Matcher parts = FORWARD.matcher(forward);
        if (!parts.matches()) {
            throw new UsageException(
                    "vm %s: forward is '%s', PROTOCOL:HOSTADDRESS:PORT-GUESTADDRESS:PORT is allowed, as in tcp:127.0.0.1:2222-:22"
                            .formatted(request.name(), forward));
        }
        for (String port : List.of(parts.group(2), parts.group(3))) {
            if (port.matches("0+")) {
                throw new UsageException(
                        "vm %s: forward '%s' has port 0, which could be any and nobody would know which; 1 to %d are allowed"
                                .formatted(request.name(), forward, PORT_MAX));
            }
            if (port.length() > 5 || Integer.parseInt(port) > PORT_MAX) {
                throw new UsageException("vm %s: forward '%s' has port %s, up to %d is allowed"
                        .formatted(request.name(), forward, port, PORT_MAX));
            }
        }
    }

    static String randomMac() {
        // 52:54:00 is the prefix that QEMU uses for the addresses that it makes up.
        return "52:54:00:%02x:%02x:%02x".formatted(RANDOM.nextInt(256), RANDOM.nextInt(256), RANDOM.nextInt(256));
    }

    private static <T> List<T> orEmpty(@Nullable List<T> list) {
        return list == null ? List.of() : list;
    }
}
