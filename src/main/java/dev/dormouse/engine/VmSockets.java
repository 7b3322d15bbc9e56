package dev.dormouse.engine;

import java.nio.file.Path;

/// The sockets and the pid file of a VM's QEMU.
///
/// @param runtime folder of the VM under the runtime folder
/// @param vm folder of the VM under the home
record VmSockets(Path runtime, Path vm) {
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
