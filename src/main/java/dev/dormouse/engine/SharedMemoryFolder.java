package dev.dormouse.engine;

import java.io.IOException;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;

/// The folder in a tmpfs where QEMU makes the files of shared guest memory. It removes their names at once,
/// so the folder is always empty, and the memory goes with QEMU.
final class SharedMemoryFolder {
    private static final Path TMPFS = Path.of("/dev/shm");

    private SharedMemoryFolder() {}

    /// {@return the folder of this user}
    static Path path() {
        return TMPFS.resolve("dormouse-" + System.getProperty("user.name"));
    }

    /// Creates the folder and looks whether the memory of a VM fits. A tmpfs that fills up later would kill
    /// QEMU, because memory is taken from it only when the guest first touches it.
    ///
    /// @throws VmException if it does not fit
    static void prepare(VmConfig config) throws IOException {
        FileStore store = Files.getFileStore(TMPFS);
        if (!store.type().equals("tmpfs")) {
            throw new VmException("vm %s: %s is %s, shared memory needs a tmpfs there; mount one"
                    .formatted(config.name(), TMPFS, store.type()));
        }
        if (store.getUsableSpace() < config.memoryBytes()) {
            throw new VmException(
                    "vm %s: %s has %s free, the VM's shared memory needs %s; enlarge it, as in 'mount -o remount,size=%dM %s'"
                            .formatted(
                                    config.name(),
                                    TMPFS,
                                    MemorySize.format(store.getUsableSpace()),
                                    MemorySize.format(config.memoryBytes()),
                                    (store.getTotalSpace() - store.getUsableSpace() + config.memoryBytes()) >> 20,
                                    TMPFS));
        }
        own();
    }

    /// Creates the folder, or refuses it if somebody else did.
    static void own() throws IOException {
        Home.refuseUnlessOurs(Home.createPrivate(path()), "remove it");
    }
}
