package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.testkit.FaultReport;
import dev.dormouse.testkit.FaultyFile;
import dev.dormouse.testkit.FaultyFile.Fault;
import dev.dormouse.testkit.LoopMount;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.SortedSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Single sectors of the device under an image, a disk, or a block index are bad, or the device does not answer: the
/// guest waits with a reason and goes on when the device is mended, or nothing is lost but space. With a real guest,
/// which verifies every byte.
@Tag("qemu")
@Timeout(300)
class BadDeviceTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final long DEVICE_BYTES = 256L << 20;
    private static final int FILE_KIB = 4 << 10;
    private static final int EIO = 5;

    @TempDir
    Path folder;

    /// Apart, for what the fixture ends is known by its folder.
    @TempDir
    Path deviceFolder;

    private Path file;
    private FaultyFile device;
    private LoopMount mount;

    /// Puts a folder of the home on a file system of its own, on a device that can fail.
    private void mount(String inHome) throws Exception {
        file = deviceFolder.resolve("device");
        LoopMount.format(file, DEVICE_BYTES);
        device = FaultyFile.over(file);
        mount = LoopMount.mount(file, folder.resolve("home").resolve(inHome));
    }

    @AfterEach
    void unmount() throws Exception {
        if (mount != null) {
            mount.close();
        }
        if (device != null) {
            device.close();
        }
    }

    private void failAt(Path inMount, long... offsets) throws Exception {
        var faults = new ArrayList<Fault>();
        for (long offset : offsets) {
            faults.add(new Fault("read", LoopMount.physicalOffset(inMount, offset), EIO));
        }
        device.fail(faults.toArray(Fault[]::new));
        LoopMount.evict(inMount);
        LoopMount.evict(file);
    }

    @Test
    void aBadSectorUnderAPageOfTheImageStallsTheGuestUntilItIsMended() throws Exception {
        mount("images");
        try (var fixture = new EngineFixture(folder);
                var fault = FaultReport.inject("bad sector", "image")) {
            CheckpointTest.bootWithPattern(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            LoopMount.evict(image);
            failAt(image, InterruptionTest.middleExtent(image));

            var stalled = new CompletableFuture<String>();
            CompletableFuture<ResumeResult> resume =
                    CompletableFuture.supplyAsync(() -> InterruptionTest.resume(fixture, stalled));
            assertThat(stalled.get(1, TimeUnit.MINUTES))
                    .startsWith(image + ": ")
                    .contains("Input/output error");
            InterruptionTest.await(
                    "the stall is shown", () -> fixture.state("vm1").equals("stalled"));
            device.mend();

            resume.get(2, TimeUnit.MINUTES);
            fault.verify(() -> verify(fixture));
        }
    }

    /// For seconds nobody need be told; after that the guest has a reason for its waiting.
    @Test
    void aDeviceThatHangsUnderAnImageStallsTheGuestUntilItAnswers() throws Exception {
        mount("images");
        try (var fixture = new EngineFixture(folder);
                var fault = FaultReport.inject("device hangs", "image")) {
            CheckpointTest.bootWithPattern(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            try (var child = ChildEngine.start(fixture.home.root(), "slowly", "vm1")) {
                InterruptionTest.await("the guest runs", () -> child.output().contains("running"));
                LoopMount.evict(image);
                LoopMount.evict(file);
                device.hang();
                var verified = CompletableFuture.supplyAsync(() -> verifyOrFail(fixture));
                TimeUnit.SECONDS.sleep(2);
                assertThat(fixture.state("vm1")).isEqualTo("restoring");

                InterruptionTest.await(
                        "the hang is shown", () -> fixture.state("vm1").equals("stalled"));
                assertThat(fixture.engine.status("vm1").stalledReason())
                        .isEqualTo("storage: the image or a disk has not answered a read for 5 s, its device may hang; "
                                + "the guest waits, and goes on when it answers");
                device.carryOn();

                InterruptionTest.await(
                        "the guest goes on", () -> fixture.state("vm1").equals("restoring"));
                long bytes = verified.get(2, TimeUnit.MINUTES);
                fault.verify(() -> bytes);
            }
        }
    }

    private static long verify(EngineFixture fixture) throws Exception {
        CheckpointTest.verify(fixture, "vm1");
        assertThat(fixture.state("vm1")).isEqualTo("running");
        return CheckpointTest.PATTERN_BYTES;
    }

    private static long verifyOrFail(EngineFixture fixture) {
        try {
            CheckpointTest.verify(fixture, "vm1");
            return CheckpointTest.PATTERN_BYTES;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static void bootWithFile(EngineFixture fixture) throws Exception {
        fixture.boot(fixture.request("vm1").withMemory("192M"));
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.write("one", 3, FILE_KIB, LONG);
            probe.check("one", 3, FILE_KIB, LONG);
        }
    }

    private static long check(EngineFixture fixture) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.check("one", 3, FILE_KIB, LONG);
        }
        assertThat(fixture.state("vm1")).isEqualTo("running");
        return FILE_KIB << 10;
    }

    @Test
    void aBadSectorUnderAPageThatIsOnADiskStallsTheGuestUntilItIsMended() throws Exception {
        try (var fixture = new EngineFixture(folder);
                var disk = FaultyFile.over(fixture.smallDisk("vm1"));
                var fault = FaultReport.inject("bad sector", "disk under a page")) {
            bootWithFile(fixture);
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            long block = middleOf(ChangedDiskTest.blocksThatPagesAreOn(image));
            Path raw = folder.resolve("vm1.raw");
            disk.fail(new Fault("read", block * 4096, EIO));
            LoopMount.evict(raw);

            var stalled = new CompletableFuture<String>();
            CompletableFuture<ResumeResult> resume =
                    CompletableFuture.supplyAsync(() -> InterruptionTest.resume(fixture, stalled));
            assertThat(stalled.get(1, TimeUnit.MINUTES)).contains(raw.toString());
            disk.mend();

            resume.get(2, TimeUnit.MINUTES);
            fault.verify(() -> check(fixture));
        }
    }

    private static long middleOf(SortedSet<Long> blocks) {
        return blocks.stream().skip(blocks.size() / 2).findFirst().orElseThrow();
    }

    /// What cannot be compared is stored.
    @Test
    @Tag("soak")
    void aDiskThatCannotBeReadInASuspendCostsSpaceOnly() throws Exception {
        try (var fixture = new EngineFixture(folder);
                var disk = FaultyFile.over(fixture.smallDisk("vm1"));
                var fault = FaultReport.inject("bad sector", "disk in a suspend")) {
            bootWithFile(fixture);
            Path image = fixture.home.image(fixture.checkpoint("vm1").image());
            long block = middleOf(ChangedDiskTest.blocksThatPagesAreOn(image));
            disk.fail(new Fault("read", block * 4096, EIO));
            LoopMount.evict(folder.resolve("vm1.raw"));

            Path second = fixture.home.image(fixture.suspend("vm1").image());
            assertThat(ChangedDiskTest.blocksThatPagesAreOn(second)).doesNotContain(block);
            fixture.resume("vm1");
            fault.verify(() -> check(fixture));
        }
    }

    @Test
    @Tag("soak")
    void anIndexThatCannotBeReadInASuspendCostsSpaceOnly() throws Exception {
        mount("indexes");
        try (var fixture = new EngineFixture(folder);
                var fault = FaultReport.inject("bad sector", "block index")) {
            bootWithFile(fixture);
            fixture.suspend("vm1");
            fixture.resume("vm1");
            Path index = index(fixture);
            long end = Files.size(index);
            failAt(index, end - 3 * 4096, end - 2 * 4096, end - 4096); // Of its table, which is mapped.

            fixture.suspend("vm1");
            fixture.resume("vm1");
            fault.verify(() -> check(fixture));
        }
    }

    private static Path index(EngineFixture fixture) throws Exception {
        try (var files = Files.list(fixture.home.indexes())) {
            return files.filter(each -> each.toString().endsWith(".index"))
                    .findFirst()
                    .orElseThrow();
        }
    }
}
