package dev.dormouse.engine;

import dev.dormouse.qmp.QemuVersion;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// Whether this process, and the QEMU that it starts, may use userfaultfd, without which there is no lazy
/// restore.
public final class UserfaultfdPermission {
    private static final Path SYSCTL = Path.of("/proc/sys/vm/unprivileged_userfaultfd");
    private static final Path DEVICE = Path.of("/dev/userfaultfd");
    private static final int CAP_SYS_PTRACE = 19;

    private UserfaultfdPermission() {}

    /// {@return why it is not allowed and what to do, or empty if it is allowed}
    public static Optional<String> missing(QemuVersion qemu) throws IOException {
        if (!Files.exists(SYSCTL)) {
            return Optional.of("this kernel has no userfaultfd, use one built with CONFIG_USERFAULTFD");
        }
        boolean device = qemu.atLeast(8, 0) && Files.isReadable(DEVICE) && Files.isWritable(DEVICE);
        if (hasPtraceCapability() || "1".equals(Files.readString(SYSCTL).strip()) || device) {
            return Optional.empty();
        }
        String remedy = "run 'sudo sysctl vm.unprivileged_userfaultfd=1'";
        if (qemu.atLeast(8, 0)) {
            remedy += " or give your user read and write access to " + DEVICE;
        }
        return Optional.of("userfaultfd is not permitted to this user, which a lazy restore needs; " + remedy
                + ", or restore everything first with --eager");
    }

    private static boolean hasPtraceCapability() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("CapEff:")) {
                long effective = Long.parseUnsignedLong(
                        line.substring("CapEff:".length()).strip(), 16);
                return (effective & 1L << CAP_SYS_PTRACE) != 0;
            }
        }
        return false;
    }
}
