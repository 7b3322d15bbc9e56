package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.storage.Storage;
import dev.dormouse.testkit.Leftovers;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The life of a VM of a user who is not root: on a host that lets only root use userfaultfd, as most do, and on one
/// that
/// was told to let others, in either way.
@Tag("qemu")
class OrdinaryUserTest {
    private static final int NOBODY = 65534;
    private static final Path DEVICE = Path.of("/dev/userfaultfd");
    private static final Duration LONG = Duration.ofMinutes(1);
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
        return run(AS_NOBODY, command, "vm1");
    }

    private String run(List<String> prefix, String... arguments) throws IOException, InterruptedException {
        try (var child = ChildEngine.start(prefix, classPath, home, arguments)) {
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

    @Test
    void mayRestoreLazilyWhereTheSysctlPermitsIt() throws Exception {
        Files.writeString(SYSCTL, "1");
        try {
            assertRestoresLazily(AS_NOBODY, null);
        } finally {
            Files.writeString(SYSCTL, "0");
        }
    }

    /// What udev's rule of the package does to the device is done to another one, which only the processes of this test
    /// find in its place.
    @Test
    void mayRestoreLazilyWithAccessToTheDeviceOfANewerQemu() throws Exception {
        Path qemu = EngineFixture.qemu("10.0");
        Assumptions.assumeTrue(Files.exists(DEVICE), "this kernel has no " + DEVICE);
        var inANamespace = new ArrayList<>(List.of(
                "unshare",
                "--mount",
                "--propagation=private",
                "sh",
                "-euc",
                """
                mount -t tmpfs tmpfs /mnt
                mknod -m 660 /mnt/userfaultfd c $(stat --format='0x%t 0x%T' /dev/userfaultfd)
                chown "$1" /mnt/userfaultfd
                mount --bind /mnt/userfaultfd /dev/userfaultfd
                mkdir /mnt/qemu
                mount --bind "$2" /mnt/qemu
                mount -t tmpfs -o mode=755 tmpfs "$3"
                mkdir -p "$2"
                mount --bind /mnt/qemu "$2"
                shift 3
                exec "$@"
                """,
                "sh",
                NOBODY + ":" + NOBODY,
                qemu.getParent().getParent().toString(),
                closedFolder(qemu).toString()));
        Command.Result result = Command.tryRun(
                Stream.concat(inANamespace.stream(), Stream.of("true")).toList(), LONG);
        Assumptions.assumeTrue(result.exitCode() == 0, "a device of its own cannot be made: " + result.errors());
        inANamespace.addAll(AS_NOBODY);

        assertRestoresLazily(inANamespace, qemu);
    }

    /// {@return the folder on the way to a file that others cannot enter, above which an empty one may be mounted; else
    /// the last one}
    private static Path closedFolder(Path file) throws IOException {
        for (Path folder = file.getRoot(); ; folder = folder.resolve(file.getName(folder.getNameCount()))) {
            boolean closed = !Files.getPosixFilePermissions(folder).contains(PosixFilePermission.OTHERS_EXECUTE);
            if (closed || folder.equals(file.getParent().getParent())) {
                return folder;
            }
        }
    }

    /// It would take minutes to wait for all of its memory, and the guest runs before that.
    private void assertRestoresLazily(List<String> prefix, @Nullable Path qemu) throws Exception {
        var more = qemu == null ? List.of("vm1") : List.of("vm1", qemu.toString());
        for (String command : List.of("create", "start", "suspend")) {
            assertThat(run(prefix, words(command, more))).as(command).isEqualTo("done");
        }
        try (var child = ChildEngine.start(prefix, classPath, home, words("slowly", more))) {
            long end = System.nanoTime() + LONG.toNanos();
            while (!child.output().contains("running")) {
                assertThat(child.hasEnded() || System.nanoTime() - end >= 0)
                        .as(child.output())
                        .isFalse();
                Thread.sleep(10);
            }
            assertThat(child.hasEnded()).as(child.output()).isFalse();
            assertThat(run(prefix, words("stop", more))).isEqualTo("done");
        }
    }

    private static String[] words(String first, List<String> more) {
        return Stream.concat(Stream.of(first), more.stream()).toArray(String[]::new);
    }
}
