package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Writes to the disks of a real QEMU, as a guest would, and reads what the record says.
@Tag("qemu")
@Timeout(120)
class DirtyBitmapsQemuTest {
    private static final Pattern DIRTY = Pattern.compile("\"start\": (\\d+), \"length\": (\\d+), [^}]*\"data\": false");

    @TempDir
    Path directory;

    private LiveQemu qemu;
    private DirtyBitmaps bitmaps;

    @BeforeEach
    void startQemuOnAnOverlay() throws IOException {
        Path base = directory.resolve("base.raw");
        Path overlay = directory.resolve("overlay.qcow2");
        run("qemu-img", "create", "-q", "-f", "raw", base.toString(), "64M");
        run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.toString(), "-F", "raw", overlay.toString());
        qemu = LiveQemu.start(
                directory,
                "-machine",
                "q35,accel=tcg",
                "-blockdev",
                "driver=file,node-name=base,read-only=on,filename=" + base,
                "-blockdev",
                "driver=qcow2,node-name=top,discard=unmap,backing=base,file.driver=file,file.filename=" + overlay,
                "-device",
                "virtio-blk-pci,drive=top,id=disk,share-rw=on");
        bitmaps = new DirtyBitmaps(qemu.qmp);
    }

    @AfterEach
    void stopQemu() throws IOException {
        qemu.close();
    }

    @Test
    void knowsWhatWasWrittenSinceItBegan() throws IOException {
        write("top", "5M 4k");
        bitmaps.add("record", List.of("top", "base"));
        write("top", "1M 4k");
        write("top", "30M 200k");

        bitmaps.end("record", "top");
        write("top", "40M 4k");

        assertThat(dirty("record", "top")).containsExactly("1048576+65536", "31457280+262144");
    }

    @Test
    void knowsWhatWasFreedAndWhatBecameZero() throws IOException {
        write("top", "1M 1M");
        bitmaps.add("record", List.of("top"));
        io("top", "discard 1M 64k");
        io("top", "write -q -z 1536k 4k");

        bitmaps.end("record", "top");

        assertThat(dirty("record", "top")).containsExactly("1048576+65536", "1572864+65536");
    }

    @Test
    void followsTheBaseThroughAMergeAndBeyond() throws IOException {
        bitmaps.add("record", List.of("top", "base"));
        write("top", "1M 4k");
        new BlockJobs(qemu.qmp).merge("m0", "top", "base", LiveQemu.BOUND, () -> {});
        write("base", "50M 4k");
        bitmaps.end("record", "base");

        assertThat(dirty("record", "base")).containsExactly("1048576+65536", "52428800+65536");
    }

    @Test
    void hasNoGapWhereOneRecordSucceedsAnother() throws IOException {
        bitmaps.add("first", List.of("top"));
        write("top", "1M 4k");
        bitmaps.succeed("first", "second", "top");
        write("top", "2M 4k");
        bitmaps.end("second", "top");

        assertThat(dirty("first", "top")).containsExactly("1048576+65536");
        assertThat(dirty("second", "top")).containsExactly("2097152+65536");
        bitmaps.remove("first", "top");
        bitmaps.remove("second", "top");
        bitmaps.add("first", List.of("top"));
    }

    private void write(String node, String range) throws IOException {
        io(node, "write -q -P 7 " + range);
    }

    /// Through QEMU itself, beside the device.
    private void io(String node, String command) throws IOException {
        Path socket = directory.resolve("write.sock");
        Map<String, Object> address = Map.of("type", "unix", "data", Map.of("path", socket.toString()));
        qemu.qmp.execute("nbd-server-start", Map.of("addr", address));
        qemu.qmp.execute(
                "block-export-add", Map.of("type", "nbd", "id", "w", "node-name", node, "name", "w", "writable", true));
        run("qemu-io", "-d", "unmap", "-f", "raw", "-c", command, "nbd+unix:///w?socket=" + socket);
        qemu.qmp.execute("nbd-server-stop");
        Files.deleteIfExists(socket);
    }

    private List<String> dirty(String bitmap, String node) throws IOException {
        String map = bitmaps.read(
                bitmap,
                node,
                directory.resolve("nbd.sock"),
                (socket, export) -> run(
                        "qemu-img",
                        "map",
                        "--output=json",
                        "--image-opts",
                        "driver=nbd,server.type=unix,server.path=%s,export=%s,x-dirty-bitmap=qemu:dirty-bitmap:%s"
                                .formatted(socket, export, bitmap)));
        return DIRTY.matcher(map)
                .results()
                .map((MatchResult range) -> range.group(1) + "+" + range.group(2))
                .toList();
    }

    private String run(String... argv) throws IOException {
        Process process = new ProcessBuilder(argv).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            assertThat(process.waitFor()).as("%s: %s", List.of(argv), output).isZero();
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
        return output;
    }
}
