package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import org.assertj.core.api.AbstractThrowableAssert;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// All that is refused of one suspended VM, one thing after the other; at the end it is resumed, so none
/// of it has cost the VM anything.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class SuspendedVmTest {
    private EngineFixture fixture;
    private Path image;
    private Path layer;

    @BeforeAll
    void suspend(@TempDir Path folder) throws Exception {
        fixture = new EngineFixture(folder);
        CheckpointTest.bootWithPattern(fixture);
        assertThatThrownBy(() -> fixture.engine.start("vm1", false)).hasMessage("vm vm1: is already running");
        assertThatThrownBy(() -> fixture.resume("vm1"))
                .hasMessage("vm vm1: not suspended, only a suspended VM can be resumed");
        assertThatThrownBy(() -> fixture.engine.remove("vm1", true)).hasMessage("vm vm1: is running, stop it first");
        image = fixture.home.image(fixture.suspend("vm1").image());
        layer = folder.resolve("vm1.raw");
    }

    @AfterAll
    void end() throws IOException {
        fixture.close();
    }

    private AbstractThrowableAssert<?, ? extends Throwable> assertResumeRefused() {
        return assertThatThrownBy(() -> fixture.resume("vm1"));
    }

    @Test
    void isNotRunning() {
        assertThatThrownBy(() -> fixture.suspend("vm1"))
                .hasMessage("vm vm1: not running, only a running VM can be suspended");
        assertThatThrownBy(() -> fixture.checkpoint("vm1"))
                .hasMessage("vm vm1: not running, only a running VM can be checkpointed");
        assertThatThrownBy(() -> fixture.engine.stop("vm1", true, Duration.ZERO, OperationListener.NONE))
                .hasMessage("vm vm1: not running, there is nothing to stop");
    }

    @Test
    void isNotBootedOrRemovedByAccident() {
        assertThatThrownBy(() -> fixture.engine.start("vm1", false))
                .hasMessage("vm vm1: is suspended, 'dormouse resume vm1' wakes it, "
                        + "'dormouse start --discard-state vm1' boots it and loses its memory");
        assertThatThrownBy(() -> fixture.engine.remove("vm1", false))
                .hasMessage("vm vm1: is suspended, 'dormouse rm --force' removes it with its memory");
    }

    @Test
    void hasNoChangesToDiscard() {
        var options = new ResumeOptions(false, false, true, ResumeOptions.DEFAULT.restore());
        assertThatThrownBy(() -> fixture.engine.resume("vm1", options, OperationListener.NONE))
                .hasMessage("vm vm1: is not crashed, there are no changes to discard");
    }

    @Test
    void needsItsDiskWhereItWas() throws IOException {
        Path elsewhere = layer.resolveSibling("elsewhere");
        Files.move(layer, elsewhere);
        assertResumeRefused().hasMessage(layer + ": disk layer is missing, put it back where it was");
        Files.move(elsewhere, layer);
    }

    @Test
    void needsItsDiskUnchangedInLength() throws IOException {
        FileTime modified = Files.getLastModifiedTime(layer);
        long size = Files.size(layer);
        Files.write(layer, new byte[1], StandardOpenOption.APPEND);
        assertResumeRefused()
                .hasMessage(layer + ": disk layer changed since the checkpoint, its size was " + size + " bytes and is "
                        + (size + 1) + "; move the file that it was back to its place");
        try (var file = new RandomAccessFile(layer.toFile(), "rw")) {
            file.setLength(size);
        }
        Files.setLastModifiedTime(layer, modified);
    }

    @Test
    void needsItsDiskUnwritten() throws IOException {
        FileTime modified = Files.getLastModifiedTime(layer);
        flipByte(); // Times alone are not a change: the content is compared.
        Files.setLastModifiedTime(layer, FileTime.fromMillis(0));
        assertResumeRefused()
                .hasMessageMatching(
                        layer + ": disk layer changed since the checkpoint, it was modified last at"
                                + " 20[-0-9]+T[0-9:.]+Z and now at 1970-01-01T00:00:00Z; move the file that it was back to its place");
        flipByte();
        Files.setLastModifiedTime(layer, modified);
    }

    @Test
    void needsTheSameFileOrACopyOfItsContent() throws IOException {
        Path original = layer.resolveSibling("original");
        Files.move(layer, original);
        Files.copy(original, layer);
        flipByte();
        Files.setLastModifiedTime(layer, Files.getLastModifiedTime(original));
        assertResumeRefused()
                .hasMessageMatching(layer + ": disk layer changed since the checkpoint, its inode was \\d+"
                        + " and is \\d+, it is another file; move the file that it was back to its place");
        Files.delete(layer);
        Files.move(original, layer);
    }

    /// Changes the content of the layer, or changes it back.
    private void flipByte() throws IOException {
        try (var file = new RandomAccessFile(layer.toFile(), "rw")) {
            file.seek(1024); // In the superblock, which every file system has.
            int before = file.read();
            file.seek(1024);
            file.write(before ^ 1);
        }
    }

    @Test
    void needsItsImage() throws IOException {
        Path elsewhere = image.resolveSibling("elsewhere");
        Files.move(image, elsewhere);
        assertResumeRefused()
                .hasMessage(image + ": the image of vm vm1 is missing, put it back; "
                        + "'dormouse start --discard-state vm1' boots the VM without it");
        Files.move(elsewhere, image);
    }

    @Test
    void needsAllOfItsImage() throws IOException {
        byte[] whole = Files.readAllBytes(image);
        try (var file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(whole.length - 5);
        }
        assertResumeRefused()
                .hasMessageStartingWith(image + ": ")
                .hasMessageContaining(
                        "file has %d bytes, the header says %d".formatted(whole.length - 5, whole.length));
        Files.write(image, whole);
    }

    @Test
    void needsAnImageWhoseHeaderIsWhole() throws IOException {
        flip(image, 30);
        assertResumeRefused().hasMessageStartingWith(image + ": ").hasMessageContaining("checksum of the header is 0x");
        flip(image, 30);
    }

    /// The description, and with it all that decides about the VM, has a checksum as the pages have.
    @Test
    void needsAnImageOfAVersionThatItKnows() throws IOException {
        byte[] header = new byte[4];
        try (var file = new RandomAccessFile(image.toFile(), "rw")) {
            file.seek(8);
            file.readFully(header);
            file.seek(8);
            file.write(new byte[] {99, 0, 0, 0});
            assertResumeRefused().hasMessageMatching(image + ": image format 99; this build reads \\d+ to \\d+");
            file.seek(8);
            file.write(header);
        }
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "machine type, '\"machine\": \"pc-q35-7.2\"', '\"machine\": \"pc-q35-7.1\"', pc-q35-7.1, pc-q35-7.2",
        "CPU count,    '\"cpus\": 1',                 '\"cpus\": 2',                 2,          1",
        "memory size,  '\"memoryBytes\": 402653184',  '\"memoryBytes\": 536870912',  536870912,  402653184"
    })
    void needsTheMachineThatWasCaptured(String what, String is, String becomes, String found, String captured)
            throws IOException {
        Path file = fixture.home.vm("vm1").resolve("vm.json");
        String whole = Files.readString(file);
        assertThat(whole).contains(is);
        Files.writeString(file, whole.replace(is, becomes));
        assertResumeRefused()
                .hasMessage("vm vm1: its %s is %s, but its image was captured with %s; change %s back"
                        .formatted(what, found, captured, file));
        Files.writeString(file, whole);
    }

    @Test
    void needsItsOverlay() throws IOException {
        Path overlay = fixture.home.vm("vm1").resolve("disks/disk0-1.qcow2");
        Path elsewhere = overlay.resolveSibling("elsewhere");
        Files.move(overlay, elsewhere);
        assertResumeRefused()
                .hasMessage("vm vm1: an overlay of %s is missing, 'dormouse restore %s --as NEW' makes new ones"
                        .formatted(overlay.getParent(), fixture.record("vm1").image()));
        Files.move(elsewhere, overlay);
    }

    @Test
    @Order(Integer.MAX_VALUE)
    void isResumedWithAllOfItsMemoryAfterAllThat() throws Exception {
        assertThat(fixture.state("vm1")).isEqualTo("suspended");
        fixture.resume("vm1");
        CheckpointTest.verify(fixture, "vm1");
        assertThat(fixture.leftovers()).isEmpty();
        assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");
    }

    static void flip(Path path, long position) throws IOException {
        try (var file = new RandomAccessFile(path.toFile(), "rw")) {
            file.seek(position);
            int value = file.read();
            file.seek(position);
            file.write(value ^ 0x10);
        }
    }
}
