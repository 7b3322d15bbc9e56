package dev.dormouse.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.stream.Stream;

/// The sockets and the pid file of a VM's QEMU.
///
/// @param runtime folder of the VM under the runtime folder
/// @param vm folder of the VM under the home
record VmSockets(Path runtime, Path vm) {
    /// Makes the sockets that QEMU listens on readable and writable for their owner, and nothing else: QEMU itself asks
    /// for all rights. The folder lets nobody else in meanwhile.
    void narrow() throws IOException {
        try (Stream<Path> files = Files.list(runtime)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                narrowIfSocket(file);
            }
        }
    }

    private static void narrowIfSocket(Path file) throws IOException {
        try {
            if (Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                    .isOther()) {
                narrow(file);
            }
        } catch (NoSuchFileException _) {
            // The status of a restore is written aside and renamed here all the time.
        }
    }

    /// As [#narrow()], of one socket that somebody listens on already.
    static void narrow(Path socket) throws IOException {
        Files.setPosixFilePermissions(socket, PosixFilePermissions.fromString("rw-------"));
    }

    Path qmp() {
        return runtime.resolve("qmp");
    }

    Path qmpOutOfBand() {
        return runtime.resolve("oob");
    }

    Path migration() {
        return runtime.resolve("migration");
    }

    /// Where QEMU listens for the connection of a recovery.
    Path recovery() {
        return runtime.resolve("recovery");
    }

    Path capture() {
        return runtime.resolve("capture");
    }

    /// Where QEMU tells what was written to a disk.
    Path writes() {
        return runtime.resolve("writes");
    }

    /// Where a server has the bottom layers of a disk that QEMU does not open itself.
    Path layers(VmConfig.Disk disk) {
        return runtime.resolve("nbd-" + disk.id());
    }

    Path guestAgent() {
        return runtime.resolve("agent");
    }

    Path pidFile() {
        return runtime.resolve("pid");
    }

    Path serialLog() {
        return vm.resolve("serial.log");
    }

    Path qemuLog() {
        return vm.resolve("qemu.log");
    }
}
