package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.image.ImageKeyException;
import dev.dormouse.image.VerifyReport;
import dev.dormouse.restore.RestoreStep;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The whole life of a VM whose QEMU is in its sandbox, whose images are encrypted, and whose files are its owner's.
@Tag("qemu")
@Timeout(300)
class SecuredVmTest {
    @TempDir
    Path folder;

    private final Set<String> seen = new HashSet<>(); // Of home and runtime folder.

    @ParameterizedTest(name = "QEMU {0}, {1} memory")
    @CsvSource({"7.2, anonymous", "10.0, shared"})
    void suspendsAndResumesInTheSandboxWithEncryptedImages(String version, String memory) throws Exception {
        Engine.keepFromOthers(); // As the program does.
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            Path key = keyFile("vm.key");
            fixture.boot(fixture.request("vm1").withMemoryBackend(memory).withImageKey(key.toString()));
            CheckpointTest.fillPattern(fixture);
            assertThatItIsInTheSandbox(fixture);

            Path image = fixture.home.image(fixture.suspend("vm1").image());
            assertThatNothingIsOpenToOthers(fixture);
            assertThatTheImageNeedsItsKey(fixture, image, key);
            fixture.engine.resume("vm1", ResumeOptions.DEFAULT, watching(fixture));
            assertThat(seen).contains("vm1/migration");

            assertThatItIsInTheSandbox(fixture);
            assertThatNothingIsOpenToOthers(fixture);
            CheckpointTest.verify(fixture, "vm1");
        }
    }

    /// Sockets of a migration are there only while it goes on.
    private OperationListener watching(EngineFixture fixture) {
        return new OperationListener() {
            @Override
            public void reached(RestoreStep step) {
                try {
                    assertThatNothingIsOpenToOthers(fixture);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        };
    }

    /// The socket to which QEMU sends the guest, and that at which it waits for the connection of a recovery.
    @Test
    void socketsOfACaptureAndOfARecoveryAreTheirOwnersOnly() throws Exception {
        Engine.keepFromOthers(); // As the program does.
        try (var fixture = new EngineFixture(folder)) {
            Path socket = folder.resolve("capture");
            try (var _ = CaptureChannel.listen(socket, "vm vm1", new Cancellation())) {
                assertThat(rights(socket)).isEqualTo("rw-------");
            }
            fixture.boot(fixture.request("vm1"));
            fixture.suspend("vm1");
            try (var child = ChildEngine.start(fixture.home.root(), "slowly-by-stream", "vm1")) {
                InterruptionTest.await("the guest runs", () -> child.output().contains("running"));
                child.kill();
            }

            fixture.engine.resume("vm1", ResumeOptions.DEFAULT, watching(fixture));

            assertThat(seen).contains("vm1/recovery");
        }
    }

    private Path keyFile(String name) throws IOException {
        Path file = folder.resolve(name);
        byte[] key = new byte[32];
        new SecureRandom().nextBytes(key);
        Files.write(file, key);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        return file;
    }

    private void assertThatTheImageNeedsItsKey(EngineFixture fixture, Path image, Path key) throws IOException {
        Images images = fixture.engine.images();
        assertThat(images.metadata(image).config().imageKey()).isEqualTo(key.toString());
        assertThat(images.verify(image, VerifyReport.Progress.NONE).isSound()).isTrue();

        Path other = keyFile("other.key");
        assertThatThrownBy(() -> fixture.engine.withKey(other).images().inspect(image))
                .isInstanceOf(ImageKeyException.class)
                .hasMessage(image + ": " + other + " is not the image's key, give the one that it was made with");
        Path away = Files.move(key, folder.resolve("away.key"));
        assertThatThrownBy(() -> fixture.resume("vm1")).isInstanceOf(ImageKeyException.class);
        assertThat(fixture.state("vm1")).isEqualTo("suspended");
        assertThat(fixture.engine.withKey(away).images().inspect(image).encrypted())
                .isTrue();
        Files.move(away, key);
    }

    /// 2 is the mode with a filter; all threads have it.
    private static void assertThatItIsInTheSandbox(EngineFixture fixture) throws IOException {
        Path tasks = Path.of("/proc", Long.toString(fixture.process("vm1").pid()), "task");
        try (Stream<Path> threads = Files.list(tasks)) {
            for (Path thread : (Iterable<Path>) threads::iterator) {
                assertThat(Files.readAllLines(thread.resolve("status"))).contains("Seccomp:\t2");
            }
        }
    }

    private void assertThatNothingIsOpenToOthers(EngineFixture fixture) throws IOException {
        for (Path root : List.of(fixture.home.root(), fixture.home.runtime())) {
            Files.walkFileTree(root, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes)
                        throws IOException {
                    return look(folder, "rwx------");
                }

                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    return look(file, "rw-------");
                }

                private FileVisitResult look(Path file, String expected) throws IOException {
                    try {
                        assertThat(rights(file)).as("%s", file).isEqualTo(expected);
                        seen.add(root.relativize(file).toString());
                    } catch (NoSuchFileException e) {
                        return visitFileFailed(file, e);
                    }
                    return FileVisitResult.CONTINUE;
                }

                // Sockets come and go meanwhile.
                @Override
                public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
                    return e instanceof NoSuchFileException ? FileVisitResult.CONTINUE : super.visitFileFailed(file, e);
                }
            });
        }
    }

    private static String rights(Path file) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(file, LinkOption.NOFOLLOW_LINKS));
    }
}
