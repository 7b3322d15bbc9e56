package dev.dormouse.engine;

import dev.dormouse.disk.Layer;
import dev.dormouse.image.ImageReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Makes a new VM of an image: the same memory and the same frozen disks, on overlays of its own, with an
/// identity of its own.
final class Clone {
    private final Home home;
    private final QemuTools tools;
    private final ImageKeys keys;
    private final String image;
    private final String name;

    Clone(Home home, QemuTools tools, ImageKeys keys, String image, String name) {
        this.keys = keys;
        this.home = home;
        this.tools = tools;
        this.image = image;
        this.name = name;
    }

    /// {@return whether the image was made by this VM, and is not one that it was cloned from; one that
    /// cannot be read is nobody's, so that it is not removed with a VM}
    static boolean isOwn(Home home, String image, String vmName) {
        try {
            return new Images(home).metadata(home.image(image)).vm().equals(vmName);
        } catch (IOException _) {
            return false;
        }
    }

    void create() throws IOException {
        // From here until the new VM is recorded nobody may find that the image is not needed.
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            create(metadata());
        }
    }

    private ImageMetadata metadata() throws IOException {
        var images = new Images(home);
        Path file = images.find(image);
        ImageMetadata metadata;
        try (ImageReader reader =
                keys.open(home.storage(), file)) { // With its key, so that nobody else's words become a VM.
            metadata = Images.metadata(reader, file);
        }
        ExtraArguments.check(name, metadata.config().extraArguments()); // An image may be anybody's.
        Path own = home.image(metadata.id());
        if (!Files.exists(own) || !Files.isSameFile(file, own)) {
            throw new VmException("image %s: is not one of this home, move it to %s".formatted(file, own));
        }
        new Images(home).refuseIfSpent(metadata.id());
        return metadata;
    }

    private void create(ImageMetadata metadata) throws IOException {
        home.createVmFolder(name);
        try {
            VmConfig config = renamed(metadata);
            VmRecord empty =
                    new VmRecord(VmState.STOPPED, metadata.chains(), metadata.id(), List.of(), null, 0, Vm.now());
            // It may not be there before its overlays are: whoever started it would write the frozen layers.
            Vm vm = Vm.prepare(home, config);
            List<Layer> overlays = Overlays.create(tools.images(), vm, config, empty);
            vm.begin(empty.with(VmState.SUSPENDED, Vm.now())
                    .withImage(metadata.id(), overlays)
                    .withGeneration(1));
        } catch (IOException | RuntimeException e) {
            Removal.deleteFolder(home.storage(), home.vm(name));
            throw e;
        }
    }

    private VmConfig renamed(ImageMetadata metadata) throws IOException {
        VmConfig old = metadata.config();
        var disks = new ArrayList<VmConfig.Disk>();
        for (int i = 0; i < old.disks().size(); i++) {
            VmConfig.Disk disk = old.disks().get(i);
            disks.add(new VmConfig.Disk(
                    disk.id(),
                    disk.sizeBytes(),
                    disk.attachment(),
                    metadata.disks().get(i).layers().size()));
        }
        var networks = new ArrayList<VmConfig.Network>();
        for (VmConfig.Network network : old.networks()) {
            var forwards = new ArrayList<String>();
            for (String forward : network.forwards()) {
                forwards.add(HostForward.onFreePort(forward));
            }
            networks.add(new VmConfig.Network(network.mode(), network.target(), forwards, VmCreation.randomMac()));
        }
        return new VmConfig(
                name,
                old.memoryBytes(),
                old.cpus(),
                old.machine(),
                old.accelerator(),
                old.cpuModel(),
                old.memoryBackend(),
                disks,
                old.kernel(),
                networks,
                vnc(old.vnc()),
                old.uefi(),
                old.guestAgent(),
                old.vmgenid() == null ? null : UUID.randomUUID().toString(),
                old.extraArguments(),
                old.qemuVersion(),
                keys.named() == null ? old.imageKey() : keys.named().toString());
    }

    /// The display must stay; its address is taken, unless it is a socket in the VM's own folder.
    private static @Nullable String vnc(@Nullable String old) {
        return old == null || old.startsWith("unix:{runtime}/") ? old : "none";
    }
}
