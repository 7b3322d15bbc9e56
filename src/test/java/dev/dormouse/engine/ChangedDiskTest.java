package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The disk changes behind the map of a lazy restore: QEMU's tools are kept from it by locks, and what somebody else
/// changes shows when the page is served. With a real guest, which verifies every byte.
@Tag("qemu")
@Timeout(300)
class ChangedDiskTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final int FILE_KIB = 16 << 10;

    @TempDir
    Path folder;

    @Test
    void aChangedBlockStallsTheGuestUntilItIsPutBack() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(fixture.request("vm1"));
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.write("one", 3, FILE_KIB, LONG);
                probe.sync(LONG);
                probe.check("one", 3, FILE_KIB, LONG);
            }
            Path image = fixture.home.image(fixture.suspend("vm1").image());
            Path disk = folder.resolve("vm1.raw");
            SortedSet<Long> blocks = blocksThatPagesAreOn(image);
            assertThat(blocks).hasSizeGreaterThan(FILE_KIB / 4 * 9 / 10);

            try (var child = ChildEngine.start(fixture.home.root(), "slowly", "vm1")) {
                InterruptionTest.await("the guest runs", () -> child.output().contains("running"));
                assertThatQemuMayNotWrite(fixture, disk);
                flipOneBitOfEach(disk, blocks);
                var check = CompletableFuture.runAsync(() -> readFile(fixture));
                InterruptionTest.await(
                        "the guest stalls", () -> fixture.state("vm1").equals("stalled"));

                assertThat(fixture.engine.status("vm1").stalledReason()).contains("disk");
                assertThat(check).isNotDone();

                flipOneBitOfEach(disk, blocks);
                check.join();
            }
            fixture.resume("vm1"); // What the child had not placed yet.
            readFile(fixture);
        }
    }

    static SortedSet<Long> blocksThatPagesAreOn(Path image) throws IOException {
        var blocks = new TreeSet<Long>();
        try (ImageReader reader = ImageReader.open(image)) {
            reader.forEachNonZero((_, pageClass, location, _) -> {
                if (pageClass == PageClass.ON_DISK) {
                    blocks.add(location);
                }
            });
        }
        return blocks;
    }

    private static void flipOneBitOfEach(Path file, SortedSet<Long> blocks) throws IOException {
        try (var disk = new RandomAccessFile(file.toFile(), "rw")) {
            for (long block : blocks) {
                disk.seek(block * 4096 + 100);
                int before = disk.read();
                disk.seek(block * 4096 + 100);
                disk.write(before ^ 4);
            }
        }
    }

    private static void readFile(EngineFixture fixture) {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.check("one", 3, FILE_KIB, LONG);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static void assertThatQemuMayNotWrite(EngineFixture fixture, Path disk) throws IOException {
        Path tools = fixture.engine.tools().qemu().imageTool();
        String file = disk.toString();
        for (List<String> writer : List.of(
                List.of(tools.toString(), "resize", "-f", "raw", file, "128M"),
                List.of(tools.resolveSibling("qemu-io").toString(), "-f", "raw", "-c", "write 0 4096", file),
                List.of(
                        fixture.engine.tools().qemu().path().toString(),
                        "-nodefaults",
                        "-display",
                        "none",
                        "-S",
                        "-drive",
                        "file=" + file + ",format=raw,if=virtio"))) {
            Command.Result result = Command.tryRun(writer, LONG);

            assertThat(result.exitCode()).as("%s", writer).isNotZero();
            assertThat(result.output() + result.errors()).contains("lock");
        }
    }
}
