package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.storage.Storage;
import dev.dormouse.testkit.Leftovers;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The life of a VM of a user who is not root, on a host that lets only root use userfaultfd, as most do.
@Tag("qemu")
class OrdinaryUserTest {
    private static final int NOBODY = 65534;
    private static final Path SYSCTL = Path.of("/proc/sys/vm/unprivileged_userfaultfd");
    private static final List<String> AS_NOBODY = List.of(
            "setpriv",
            "--reuid=" + NOBODY,
            "--regid=" + NOBODY,
            "--clear-groups",
            "--inh-caps=-all",
            "--bounding-set=-all",
            "--");

    private Path folder;
    private Path home;
    private String classPath;
    private String sysctlBefore;

    @BeforeEach
    void prepare() throws IOException {
        Assumptions.assumeTrue(isRoot(), "only root may become another user");
        sysctlBefore = Files.readString(SYSCTL).strip();
        if (!sysctlBefore.equals("0")) {
            Files.writeString(SYSCTL, "0");
        }
        folder = Files.createTempDirectory("ordinary-user");
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxr-xr-x"));
        home = Files.createDirectory(folder.resolve("home"));
        Files.setAttribute(home, "unix:uid", NOBODY);
        Files.setAttribute(home, "unix:gid", NOBODY);
        classPath = readableClassPath();
    }

    private static boolean isRoot() throws IOException {
        return (int) Files.getAttribute(Path.of("/proc/self"), "unix:uid") == 0;
    }

    /// The libraries may lie where only their owner can read.
    private String readableClassPath() throws IOException {
        var entries = new ArrayList<String>();
        for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
            Path from = Path.of(entry);
            Path to = folder.resolve("cp" + entries.size() + (entry.endsWith(".jar") ? ".jar" : ""));
            if (Files.exists(from)) {
                copy(from, to);
                entries.add(to.toString());
            }
        }
        return String.join(File.pathSeparator, entries);
    }

    private static void copy(Path from, Path to) throws IOException {
        try (Stream<Path> files = Files.walk(from)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Path target = from.equals(file)
                        ? to
                        : to.resolve(from.relativize(file).toString());
                // Whatever an engine of an earlier test made of the umask of this process.
                if (Files.isDirectory(file)) {
                    Files.createDirectories(target);
                    Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("rwxr-xr-x"));
                } else {
                    Files.copy(file, target);
                    Files.setPosixFilePermissions(target, PosixFilePermissions.fromString("rw-r--r--"));
                }
            }
        }
    }

    @AfterEach
    void clean() throws Exception {
        if (folder != null) {
            Leftovers.end(folder, Duration.ZERO);
            Removal.deleteFolder(Storage.fileSystem(), folder);
            String runtime = HexFormat.of().toHexDigits(home.hashCode());
            Removal.deleteFolder(Storage.fileSystem(), Path.of("/tmp/dormouse-nobody", runtime));
        }
        if (sysctlBefore != null && !sysctlBefore.equals("0")) {
            Files.writeString(SYSCTL, sysctlBefore);
        }
    }

    private String run(String command) throws IOException, InterruptedException {
        try (var child = ChildEngine.start(AS_NOBODY, classPath, home, command, "vm1")) {
            return child.await();
        }
    }

    @Test
    void isToldWhatToDoAndMayRestoreEagerly() throws Exception {
        assertThat(run("create")).isEqualTo("done");
        assertThat(run("start")).isEqualTo("done");
        assertThat(run("suspend")).isEqualTo("done");

        assertThat(run("resume"))
                .isEqualTo("failed: vm vm1: userfaultfd is not permitted to this user, which a lazy restore needs; "
                        + "run 'sudo sysctl vm.unprivileged_userfaultfd=1', "
                        + "or restore everything first with --eager");

        assertThat(run("eagerly")).isEqualTo("running\ndone");
        assertThat(run("stop")).isEqualTo("done");
    }
}
