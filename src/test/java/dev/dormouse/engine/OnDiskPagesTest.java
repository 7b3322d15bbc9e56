package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.image.ImageInspection;
import dev.dormouse.image.VerifyReport;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Pages that the VM's disk holds are left out of its image, and come back from the disk: with a real guest
/// that has files in its page cache and verifies every byte.
@Tag("qemu")
@Timeout(300)
class OnDiskPagesTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final int FILE_KIB = 32 << 10;
    private static final int REWRITTEN_KIB = 2 << 10;
    private static final long FILE_PAGES = FILE_KIB / 4;

    @TempDir
    Path folder;

    @ParameterizedTest(name = "{0} disk, {1} memory, QEMU {2}")
    @CsvSource({
        "raw, anonymous, 7.2",
        "qcow2, shared, 7.2",
        "vdi, shared, 10.0",
        "qcow2, anonymous, 10.0",
    })
    void thePageCacheComesBackFromTheDisk(String disk, String memory, String version) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.boot(request(fixture, disk).withMemoryBackend(memory));
            writeAndRead(fixture, "one", 1);

            SuspendResult first = fixture.suspend("vm1");
            assertThat(onDisk(fixture, first)).isGreaterThan(FILE_PAGES * 95 / 100);
            assertThat(verifyDeep(fixture, first).isSound()).isTrue();
            fixture.resume("vm1");
            check(fixture, "one", 1);

            writeAndRead(fixture, "one", 2); // In place, so that the index of the first suspend is stale.
            SuspendResult second = fixture.suspend("vm1");
            assertThat(onDisk(fixture, second)).isGreaterThan(FILE_PAGES * 95 / 100);
            fixture.resume("vm1");
            check(fixture, "one", 2);
        }
    }

    @Test
    void aCheckpointLeavesThemOutWhileTheGuestWrites() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1").withMemoryBackend("shared"));
            writeAndRead(fixture, "one", 1);

            var written = new AtomicLong();
            var checkpointed = new AtomicBoolean();
            var writer = CompletableFuture.runAsync(() -> writeUntil(fixture, checkpointed, written));
            while (written.get() == 0 && !writer.isDone()) {
                TimeUnit.MILLISECONDS.sleep(5);
            }
            SuspendResult kept = fixture.checkpoint("vm1");
            checkpointed.set(true);
            writer.get(60, TimeUnit.SECONDS);
            writeAndRead(fixture, "one", 2);
            assertThat(onDisk(fixture, kept)).isGreaterThan(FILE_PAGES * 9 / 10);
            assertThat(verifyDeep(fixture, kept).isSound()).isTrue();
            fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);

            fixture.engine.restoreAs(kept.image(), "vm2");
            fixture.resume("vm2");
            try (GuestProbe probe = fixture.probe("vm2")) {
                probe.check("one", 1, FILE_KIB, LONG);
            }
        }
    }

    /// Disks that QEMU must not open itself, for it could not be saved then: it has them from a server, whose end the
    /// guest survives. What the guest reads of them stays out of the image, and a change of them is found.
    @Test
    void pagesOnDisksOfOtherFormatsComeBackFromThem() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            Path raw = fixture.diskWith("vm1", "one", SeededFile.bytes(1, FILE_KIB));
            Path first = fixture.converted(raw, Layer.Format.VMDK, "subformat=streamOptimized");
            Path second = fixture.converted(fixture.smallDisk("data"), Layer.Format.VDI, "");
            fixture.boot(GuestVm.request(fixture.guest, "vm1", "384M")
                    .withDisks(List.of(
                            new DiskRequest(first.toString(), null, null),
                            new DiskRequest(null, second.toString(), null))));
            check(fixture, "one", 1);

            SuspendResult suspended = fixture.suspend("vm1");
            assertThat(onDisk(fixture, suspended)).isGreaterThan(FILE_PAGES * 95 / 100);
            assertThat(verifyDeep(fixture, suspended).isSound()).isTrue();
            assertThat(fixture.layers("vm1"))
                    .containsExactly(first.getFileName().toString(), "disk0.qcow2");
            flipByte(first, 20 << 20);
            assertThatThrownBy(() -> fixture.resume("vm1"))
                    .isInstanceOf(DiskException.class)
                    .hasMessageContaining(first + ": ");
            flipByte(first, 20 << 20); // Touched since, but the content is that of before.
            fixture.resume("vm1");
            check(fixture, "one", 1);

            endLayerServers(fixture);
            CompletableFuture<Void> read = CompletableFuture.runAsync(() -> readAnew(fixture));
            InterruptionTest.await(
                    "the guest stalls", () -> fixture.state("vm1").equals("stalled"));
            fixture.resume("vm1");
            read.get(1, TimeUnit.MINUTES);
            fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);
            InterruptionTest.await(
                    "the servers end", () -> layerServers(fixture).findAny().isEmpty());
        }
    }

    private static void endLayerServers(EngineFixture fixture) throws Exception {
        List<ProcessHandle> servers = layerServers(fixture).toList();
        assertThat(servers).hasSize(2);
        for (ProcessHandle server : servers) {
            server.destroyForcibly();
            server.onExit().get(10, TimeUnit.SECONDS);
        }
    }

    private static Stream<ProcessHandle> layerServers(EngineFixture fixture) {
        String sockets = "--socket=" + fixture.home.runtime();
        return ProcessHandle.allProcesses()
                .filter(process -> process.info().commandLine().orElse("").contains(sockets));
    }

    private static void readAnew(EngineFixture fixture) {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.dropCaches(LONG);
            probe.check("one", 1, FILE_KIB, LONG);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void aSelfContainedImageRefersToNoDisk() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            writeAndRead(fixture, "one", 1);

            SuspendResult suspended =
                    fixture.engine.suspend("vm1", new SuspendOptions(true), OperationListener.NONE, new Cancellation());

            assertThat(onDisk(fixture, suspended)).isZero();
            fixture.resume("vm1");
            check(fixture, "one", 1);
        }
    }

    @Test
    void exportsWithThePagesOfTheDisk() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            writeAndRead(fixture, "one", 1);
            SuspendResult contained = fixture.engine.checkpoint(
                    "vm1", new SuspendOptions(true), OperationListener.NONE, new Cancellation());
            // The guest stands still from here on, so both hold the same memory but for what it just did.
            SuspendResult suspended = fixture.suspend("vm1");

            Path memory = exported(fixture, suspended);
            Path before = exported(fixture, contained);

            assertThat(onDisk(fixture, suspended)).isGreaterThan(FILE_PAGES * 95 / 100);
            assertThat(Files.size(memory)).isEqualTo(384L << 20);
            assertThat(contained.imageBytes()).isGreaterThan(suspended.imageBytes() + (FILE_KIB << 9));
            assertThat(samePages(memory, before)).isGreaterThan((384 << 8) * 97 / 100);
        }
    }

    private Path exported(EngineFixture fixture, SuspendResult of) throws IOException {
        Path memory = folder.resolve(of.image() + ".raw");
        fixture.engine.exportRaw(
                fixture.home.image(of.image()), null, memory, OperationListener.NONE, new Cancellation());
        return memory;
    }

    private static int samePages(Path one, Path other) throws IOException {
        int same = 0;
        try (InputStream in = new BufferedInputStream(Files.newInputStream(one));
                InputStream otherIn = new BufferedInputStream(Files.newInputStream(other))) {
            for (byte[] page = in.readNBytes(4096); page.length > 0; page = in.readNBytes(4096)) {
                same += Arrays.equals(page, otherIn.readNBytes(4096)) ? 1 : 0;
            }
        }
        return same;
    }

    /// A copy of the disk, as from a backup, has other times and another inode; what it says decides.
    @Test
    void aCopyOfTheDiskIsTakenAndAChangedOneRefused() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            writeAndRead(fixture, "one", 1);
            fixture.suspend("vm1");
            Path disk = folder.resolve("vm1.raw");
            Path copy = folder.resolve("copy.raw");
            Files.copy(disk, copy);
            flipByte(copy, 40 << 20);
            Path original = Files.move(disk, folder.resolve("original.raw"));
            Files.move(copy, disk);

            assertThatThrownBy(() -> fixture.resume("vm1"))
                    .isInstanceOf(DiskException.class)
                    .hasMessageContaining("disk layer changed since the checkpoint");
            Files.copy(original, disk, StandardCopyOption.REPLACE_EXISTING);
            fixture.resume("vm1");

            check(fixture, "one", 1);
        }
    }

    /// Also where no page refers to the disk: the guest has it open, and its content in its page cache.
    @Test
    void aCopyOfTheDiskIsTakenByAnImageThatHoldsAllPages() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            Path disk = fixture.smallDisk("disk");
            fixture.engine.create(GuestVm.withoutSandbox(VmRequest.named("vm1")
                    .withMemory("16M")
                    .withDisks(List.of(new DiskRequest(disk.toString(), null, null)))));
            fixture.engine.start("vm1", false);
            SuspendResult suspended =
                    fixture.engine.suspend("vm1", new SuspendOptions(true), OperationListener.NONE, new Cancellation());
            assertThat(onDisk(fixture, suspended)).isZero();
            Path original = Files.move(disk, folder.resolve("original.raw"));
            Files.copy(original, disk);

            fixture.resume("vm1");

            assertThat(fixture.state("vm1")).isEqualTo("running");
        }
    }

    private static void flipByte(Path file, long position) throws Exception {
        try (var disk = new RandomAccessFile(file.toFile(), "rw")) {
            disk.seek(position);
            int before = disk.read();
            disk.seek(position);
            disk.write(before ^ 1);
        }
    }

    private static VmRequest request(EngineFixture fixture, String disk) throws Exception {
        if (disk.equals("raw")) {
            return fixture.request("vm1");
        }
        Path file = fixture.converted(fixture.smallDisk("vm1"), Layer.Format.of(disk), "");
        return fixture.request("vm1").withDisks(List.of(new DiskRequest(file.toString(), null, null)));
    }

    /// Afterwards the file is on the disk and in the page cache.
    private static void writeAndRead(EngineFixture fixture, String file, long seed) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.write(file, seed, FILE_KIB, LONG);
            probe.sync(LONG);
            probe.check(file, seed, FILE_KIB, LONG);
        }
    }

    /// Rewrites the blocks of a file, which is in the page cache each time.
    private static void writeUntil(EngineFixture fixture, AtomicBoolean end, AtomicLong written) {
        try (GuestProbe probe = fixture.probe("vm1")) {
            while (!end.get()) {
                long seed = 100 + written.incrementAndGet();
                probe.write("two", seed, REWRITTEN_KIB, LONG);
                probe.sync(LONG);
                probe.check("two", seed, REWRITTEN_KIB, LONG);
            }
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static void check(EngineFixture fixture, String file, long seed) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.check(file, seed, FILE_KIB, LONG);
        }
    }

    private static long onDisk(EngineFixture fixture, SuspendResult result) throws Exception {
        ImageInspection inspection = fixture.engine.images().inspect(fixture.home.image(result.image()));
        return inspection.pages().onDisk();
    }

    private static VerifyReport verifyDeep(EngineFixture fixture, SuspendResult result) throws Exception {
        return fixture.engine
                .images()
                .verifyDeep(fixture.home.image(result.image()), fixture.engine.diskOpener(), (_, _) -> {});
    }
}
