package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestProbe.FilesRead;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.disk.DiskView;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.image.ImageReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest that works on a file of text in its page cache is rehearsed, and resumed from the copies of the file's
/// pages,
/// again and again as a VM of its own. That they are read from there is seen by taking them away from the disk behind
/// everybody's back: who reads one of them from the disk, stalls.
@Tag("qemu")
@Timeout(300)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ResumeFromCopiesTest {
    private static final Duration LONG = EngineFixture.LONG;
    /// Half of the loop's working set is that file.
    private static final int WORK_MEBIBYTES = 16;

    private static final int TEXT_BYTES = WORK_MEBIBYTES << 19;
    private static final int TEXT_PAGES = TEXT_BYTES / DiskView.BLOCK_BYTES;
    private static final int PATTERN_MEBIBYTES = 16;

    @TempDir
    static Path folder;

    private EngineFixture fixture;
    private Path disk;
    private String image;
    private RehearsalResult rehearsal;

    @BeforeAll
    void bootAndRehearse() throws Exception {
        fixture = new EngineFixture(folder);
        byte[] text = text();
        String manifest = "%016x %d data/work.bin\n".formatted(SeededFile.checksum(text), text.length);
        disk = fixture.diskWith(
                "vm1", Map.of("data/work.bin", text, "manifest", manifest.getBytes(StandardCharsets.US_ASCII)));
        fixture.boot(GuestVm.request(fixture.guest, "vm1", "192M")
                .withDisks(List.of(new DiskRequest(disk.toString(), null, null))));
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
            probe.work(WORK_MEBIBYTES, LONG);
        }
        image = fixture.suspend("vm1").image();
        rehearsal = fixture.engine.rehearse("vm1", OperationListener.NONE, new Cancellation());
    }

    @AfterAll
    void end() throws IOException {
        if (fixture != null) {
            fixture.close();
        }
    }

    /// {@return pages of lines, no two alike}
    private static byte[] text() {
        var text = new StringBuilder(TEXT_BYTES);
        for (int line = 0; text.length() < TEXT_BYTES; line++) {
            text.append("line ").append(line).append(" of a text that is easily compressed\n");
        }
        return text.substring(0, TEXT_BYTES).getBytes(StandardCharsets.US_ASCII);
    }

    @Test
    void thePagesOfTheTextAreCopied() throws Exception {
        assertThat(rehearsal.copiedPages()).isGreaterThan(TEXT_PAGES * 9L / 10);
        assertThat(rehearsal.copiesBytes()).isEqualTo(Files.size(copies("vm1"))).isLessThan(TEXT_BYTES / 2);
        assertThat(copied(-1)).hasSize(Math.toIntExact(rehearsal.copiedPages()));
    }

    @Test
    void theResumeReadsThemAndNotTheDisk() throws Exception {
        suspended("intact");

        resumeAndVerify("intact", copied(-1));
    }

    /// And of those whose extent is damaged the disk.
    @Test
    void oneDamagedByteCostsReadsOfOneExtentFromTheDisk() throws Exception {
        suspended("flipped");
        int extent;
        try (ImageReader reader = ImageReader.open(copies("flipped"))) {
            extent = reader.extentCount() / 2;
            SuspendedVmTest.flip(copies("flipped"), reader.extentOffset(extent) + reader.extentLengthBytes(extent) / 2);
        }

        resumeAndVerify("flipped", copied(extent));
    }

    @Test
    void truncatedCopiesAreNotUsed() throws Exception {
        suspended("truncated");
        byte[] bytes = Files.readAllBytes(copies("truncated"));
        Files.write(copies("truncated"), Arrays.copyOf(bytes, bytes.length / 2));

        resumeAndVerify("truncated", List.of());
    }

    /// The guest has worked on since, so some of them do not say any more what is in its memory.
    @Test
    void copiesOfAnotherImageAreNotUsed() throws Exception {
        suspended("other");
        fixture.resume("other");
        assertThat(fixture.suspend("other").image()).isNotEqualTo(image);
        Files.copy(copies("vm1"), copies("other"));

        resumeAndVerify("other", List.of());
    }

    /// Makes a VM of the image that has learnt what the rehearsal has.
    private void suspended(String name) throws IOException {
        fixture.engine.restoreAs(image, name);
        for (String file : List.of(Home.WORKING_SET, Home.WORKING_SET_COPIES)) {
            Files.copy(
                    fixture.home.vm("vm1").resolve(file), fixture.home.vm(name).resolve(file));
        }
    }

    private Path copies(String name) {
        return fixture.home.vm(name).resolve(Home.WORKING_SET_COPIES);
    }

    /// @param lost blocks of the disk that nobody is to read
    private void resumeAndVerify(String name, List<Long> lost) throws Exception {
        var stalls = new CopyOnWriteArrayList<String>();
        try (Loss loss = lose(lost)) {
            fixture.engine.resume(name, ResumeOptions.DEFAULT, listener(stalls, loss));

            assertThat(stalls).isEmpty();
            assertThat(copies(name)).as("nobody needs them any more").doesNotExist();
            try (GuestProbe probe = fixture.probe(name)) {
                assertThat(probe.read(LONG)).isEqualTo(new FilesRead(1, TEXT_BYTES));
                assertThat(probe.verify("pattern", LONG)).isEqualTo((long) PATTERN_MEBIBYTES << 20);
            }
        }
        fixture.engine.stop(name, true, LONG, OperationListener.NONE);
    }

    private static OperationListener listener(List<String> stalls, Loss loss) {
        var gentle = new AtomicBoolean();
        return new OperationListener() {
            @Override
            public void stalled(String reason) {
                stalls.add(reason);
                loss.close(); // Or the guest would wait until the test is ended.
            }

            @Override
            public void gentle() {
                gentle.set(true);
            }

            @Override
            public boolean hurry() {
                return gentle.get(); // The rest would take its time.
            }
        };
    }

    /// {@return the blocks of the disk of which there are copies, but for those in one extent of these}
    private List<Long> copied(int exceptExtent) throws IOException {
        var blocks = new ArrayList<Long>();
        try (ImageReader reader = ImageReader.open(fixture.home.image(image));
                ImageReader copies = ImageReader.open(copies("vm1"))) {
            for (long frame = copies.nextNonZero(0);
                    frame < copies.frameCount();
                    frame = copies.nextNonZero(frame + 1)) {
                if (copies.extentIndex(frame) != exceptExtent) {
                    blocks.add(reader.diskBlock(frame));
                }
            }
        }
        assertThat(blocks).doesNotHaveDuplicates();
        return blocks;
    }

    /// @param before a copy of what the disk held; its inode is to stay
    private record Loss(Path disk, Path before, FileTime modified) implements AutoCloseable {
        @Override
        public void close() {
            try {
                Files.write(disk, Files.readAllBytes(before));
                Files.setLastModifiedTime(disk, modified);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /// Overwrites blocks of the disk, with the time of before, by which a resume knows it.
    private Loss lose(List<Long> blocks) throws IOException {
        var loss = new Loss(disk, folder.resolve("before.raw"), Files.getLastModifiedTime(disk));
        Files.copy(disk, loss.before, StandardCopyOption.REPLACE_EXISTING);
        var nonsense = new byte[DiskView.BLOCK_BYTES];
        Arrays.fill(nonsense, (byte) 0x5a);
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            for (long block : blocks) {
                file.seek(block * DiskView.BLOCK_BYTES);
                file.write(nonsense);
            }
        }
        Files.setLastModifiedTime(disk, loss.modified);
        return loss;
    }
}
