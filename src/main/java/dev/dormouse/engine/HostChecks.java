package dev.dormouse.engine;

import dev.dormouse.qmp.Accelerator;
import dev.dormouse.qmp.QemuBinary;
import dev.dormouse.qmp.QemuVersion;
import io.avaje.jsonb.Json;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Looks at the host for all that VMs need, and says what to do about what is missing. One thread, one use.
public final class HostChecks {
    private static final int SOCKET_PATH_BYTES_MAX = 107;
    /// The longest name of a VM, and the longest of its sockets.
    private static final int SOCKET_NAME_BYTES = "/".length() + 40 + "/migration".length();

    private static final long HOME_BYTES_MIN = 1L << 30;
    private static final long HOME_BYTES_WANTED = 10L << 30;

    private final Map<String, String> environment;
    private final List<Finding> findings = new ArrayList<>();

    private HostChecks(Map<String, String> environment) {
        this.environment = environment;
    }

    /// How much a finding matters.
    public enum Level {
        OK,
        /// Works, but slower or with less than it could.
        WARN,
        /// Something that the usual commands need is missing.
        FAIL
    }

    /// What one check found.
    ///
    /// @param check what was looked at
    /// @param remedy what to do; null if nothing is to be done
    @Json
    public record Finding(
            String check,
            Level level,
            String found,
            @Nullable String remedy) {}

    /// {@return a finding for every check, whatever goes wrong with one}
    ///
    /// @param qemu path of `qemu-system-x86_64`; found by the environment if null
    public static List<Finding> run(Map<String, String> environment, @Nullable Path qemu) {
        var checks = new HostChecks(environment);
        checks.java();
        checks.qemu(qemu);
        checks.home();
        checks.sharedMemory();
        checks.setsid();
        return List.copyOf(checks.findings);
    }

    private void ok(String check, String found) {
        findings.add(new Finding(check, Level.OK, found, null));
    }

    private void warn(String check, String found, String remedy) {
        findings.add(new Finding(check, Level.WARN, found, remedy));
    }

    private void fail(String check, String found, String remedy) {
        findings.add(new Finding(check, Level.FAIL, found, remedy));
    }

    private void java() {
        ok("Java", Runtime.version().toString());
    }

    private void qemu(@Nullable Path configured) {
        QemuBinary qemu;
        QemuVersion version;
        try {
            qemu = QemuBinary.locate(configured);
            version = qemu.version();
        } catch (IOException e) {
            fail(
                    "QEMU",
                    ErrorText.of(e),
                    "install QEMU 7.2 or newer (Debian: qemu-system-x86), or name one with --qemu");
            return;
        }
        qemuVersion(qemu, version);
        imageTool(qemu);
        userfaultfd(version);
        kvm(qemu);
    }

    private void qemuVersion(QemuBinary qemu, QemuVersion version) {
        String found = "%s, %s".formatted(version, qemu.path());
        if (!version.atLeast(7, 2)) {
            fail("QEMU", found, "install QEMU 7.2 or newer");
        } else if (!Merge.isLiveCommitSafe(version)) {
            warn("QEMU", found, "use 10.0.10 or newer: with this one disks are not merged while a guest runs");
        } else {
            ok("QEMU", found);
        }
    }

    private void imageTool(QemuBinary qemu) {
        try {
            ok("qemu-img", qemu.imageTool().toString());
        } catch (IOException e) {
            fail("qemu-img", ErrorText.of(e), "install it (Debian: qemu-utils)");
        }
    }

    private void userfaultfd(QemuVersion version) {
        try {
            Optional<String> missing = UserfaultfdPermission.missing(version);
            if (missing.isEmpty()) {
                ok("userfaultfd", "permitted");
                return;
            }
            String[] parts = missing.get().split("; ", 2);
            fail("userfaultfd", parts[0], parts.length > 1 ? parts[1] : "use 'dormouse resume --eager'");
        } catch (IOException e) {
            fail("userfaultfd", ErrorText.of(e), "use 'dormouse resume --eager'");
        }
    }

    private void kvm(QemuBinary qemu) {
        try {
            Accelerator accelerator = qemu.accelerator(Accelerator.Choice.AUTO);
            if (accelerator.kind() == Accelerator.Kind.KVM) {
                ok("KVM", accelerator.reason());
            } else {
                warn("KVM", accelerator.reason(), kvmRemedy());
            }
        } catch (IOException e) {
            warn("KVM", ErrorText.of(e), kvmRemedy());
        }
    }

    private static String kvmRemedy() {
        Path device = Path.of("/dev/kvm");
        return Files.exists(device) && !Files.isWritable(device)
                ? "add your user to the group kvm; guests run under TCG until then, many times slower"
                : "guests run under TCG, many times slower; enable virtualization in the firmware, or nested in the host";
    }

    private void home() {
        Home home;
        try {
            home = Home.fromEnvironment(environment);
            space(home);
        } catch (IOException e) {
            fail("home", ErrorText.of(e), "set DORMOUSE_HOME to a folder that you may write");
            return;
        }
        int bytes = home.runtime().toString().getBytes(StandardCharsets.UTF_8).length + SOCKET_NAME_BYTES;
        if (bytes > SOCKET_PATH_BYTES_MAX) {
            fail(
                    "runtime folder",
                    "%s: paths of sockets come to %d bytes, %d are allowed"
                            .formatted(home.runtime(), bytes, SOCKET_PATH_BYTES_MAX),
                    "set XDG_RUNTIME_DIR to a shorter path");
        } else {
            ok("runtime folder", home.runtime().toString());
        }
    }

    private void space(Home home) throws IOException {
        long bytes = Files.getFileStore(home.images()).getUsableSpace();
        String found = "%s, %s free".formatted(home.root(), MemorySize.format(bytes));
        String remedy = "free some space, or set DORMOUSE_HOME to a larger disk";
        if (!Files.isWritable(home.images())) {
            fail("home", home.images() + ": not writable", "set DORMOUSE_HOME to a folder that you may write");
        } else if (bytes < HOME_BYTES_MIN) {
            fail("home", found, remedy);
        } else if (bytes < HOME_BYTES_WANTED) {
            warn("home", found, remedy);
        } else {
            ok("home", found);
        }
    }

    private void sharedMemory() {
        Path folder = Path.of("/dev/shm");
        try {
            FileStore store = Files.getFileStore(folder);
            if (store.type().equals("tmpfs")) {
                ok("/dev/shm", MemorySize.format(store.getUsableSpace()) + " free");
            } else {
                warn("/dev/shm", "is " + store.type(), "mount a tmpfs there, for VMs with shared memory");
            }
        } catch (IOException e) {
            warn("/dev/shm", ErrorText.of(e), "mount a tmpfs there, for VMs with shared memory");
        }
    }

    private void setsid() {
        boolean found = Arrays.stream(environment.getOrDefault("PATH", "").split(File.pathSeparator, -1))
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, "setsid")));
        if (found) {
            ok("setsid", "found");
        } else {
            fail("setsid", "not found on PATH", "install it (Debian: util-linux)");
        }
    }
}
