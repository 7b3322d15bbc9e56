package dev.dormouse.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.storage.OfdLock.Range;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OfdLockTest {
    @TempDir
    Path directory;

    private Path file;

    @BeforeEach
    void createFile() throws IOException {
        file = directory.resolve("disk.raw");
        Files.write(file, new byte[1 << 20]);
    }

    @Test
    void sharedLocksAreHeldSideBySide() throws IOException {
        try (OfdLock first = OfdLock.tryShared(file, new Range(0, 10)).orElseThrow();
                OfdLock second = OfdLock.tryShared(file, new Range(5, 10)).orElseThrow()) {
            assertThat(first).isNotSameAs(second);
            assertThat(OfdLock.tryExclusive(file, Range.ofByte(7))).isEmpty();
            assertThat(OfdLock.tryExclusive(file, Range.ofByte(15))).isPresent();
        }
    }

    @Test
    void anExclusiveLockIsHeldAloneUntilItIsClosed() throws IOException {
        try (OfdLock lock = OfdLock.tryExclusive(file, Range.ofByte(7)).orElseThrow()) {
            assertThat(OfdLock.tryShared(file, Range.ofByte(0), Range.ofByte(7)))
                    .as("beside %s", lock)
                    .isEmpty();
        }
        try (OfdLock lock = OfdLock.tryExclusive(file, Range.ofByte(7)).orElseThrow()) {
            assertThat(lock).isNotNull();
        }
    }

    /// As a program has one that another thread is about to start.
    @Test
    void aClosedLockIsFreeAlthoughAnotherProcessHasACopyOfItsDescriptor() throws IOException {
        OfdLock lock = OfdLock.tryExclusive(file, Range.ofByte(7)).orElseThrow();
        int self = Libc.pidfdOpen(ProcessHandle.current().pid());
        int copy = Libc.pidfdGetfd(self, descriptorOf(file));
        assertThat(copy).isPositive();

        lock.close();

        assertThat(OfdLock.isHeld(file, Range.ofByte(7))).isFalse();
        Libc.close(copy);
        Libc.close(self);
    }

    private static int descriptorOf(Path file) throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors
                    .filter(link -> file.toString().equals(target(link)))
                    .mapToInt(link -> Integer.parseInt(link.getFileName().toString()))
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException _) {
            return "gone";
        }
    }

    @Test
    void looksAtALockWithoutTakingIt() throws IOException {
        assertThat(OfdLock.isHeld(file, Range.ofByte(7))).isFalse();
        try (OfdLock _ = OfdLock.tryExclusive(file, Range.ofByte(7)).orElseThrow()) {
            assertThat(OfdLock.isHeld(file, Range.ofByte(7))).isTrue();
            assertThat(OfdLock.isHeld(file, Range.ofByte(8))).isFalse();
        }
        assertThat(OfdLock.isHeld(file, Range.ofByte(7))).isFalse();
    }

    @Test
    void survivesThatAnotherDescriptorOfTheFileIsClosed() throws IOException {
        try (OfdLock lock = OfdLock.tryShared(file, Range.ofByte(7)).orElseThrow()) {
            Files.readAllBytes(file);

            assertThat(OfdLock.tryExclusive(file, Range.ofByte(7)))
                    .as("beside %s", lock)
                    .isEmpty();
        }
    }

    @Test
    void isRefusedTheFreezeWhileAWriterHoldsItsPermission() throws IOException {
        try (OfdLock writer = OfdLock.tryShared(file, Range.ofByte(101)).orElseThrow()) {
            assertThat(OfdLock.tryFreeze(file)).as("beside %s", writer).isEmpty();
        }
        try (OfdLock freeze = OfdLock.tryFreeze(file).orElseThrow();
                OfdLock other = OfdLock.tryFreeze(file).orElseThrow()) {
            assertThat(freeze).isNotSameAs(other);
        }
    }

    @Test
    void namesAFileThatIsMissing() {
        Path missing = directory.resolve("missing");

        assertThatThrownBy(() -> OfdLock.tryFreeze(missing))
                .isInstanceOf(StorageException.class)
                .hasMessage(missing + ": cannot be opened to lock it: No such file or directory");
    }

    @Test
    @Tag("qemu")
    void keepsQemuFromWritingToAFrozenFile() throws Exception {
        try (OfdLock lock = OfdLock.tryFreeze(file).orElseThrow()) {
            assertThat(run("qemu-io", "--format", "raw", "--cmd", "write 0 4096", file.toString()))
                    .as("beside %s", lock)
                    .contains("Failed to get \"write\" lock");
            assertThat(run("qemu-img", "resize", "-f", "raw", file.toString(), "2M"))
                    .contains("Failed to get \"write\" lock");
            assertThat(run("qemu-io", "--read-only", "--format", "raw", "--cmd", "read 0 4096", file.toString()))
                    .contains("read 4096/4096 bytes");
        }
        assertThat(run("qemu-io", "--format", "raw", "--cmd", "write 0 4096", file.toString()))
                .contains("wrote 4096/4096 bytes");
    }

    private String run(String... command) throws IOException, InterruptedException {
        Path output = Files.createTempFile(directory, "qemu", ".out");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectInput(Path.of("/dev/null").toFile())
                .redirectOutput(output.toFile())
                .start();
        try {
            assertThat(process.waitFor(30, TimeUnit.SECONDS))
                    .as("%s ends", command[0])
                    .isTrue();
            return Files.readString(output, StandardCharsets.UTF_8);
        } finally {
            process.destroyForcibly();
        }
    }
}
