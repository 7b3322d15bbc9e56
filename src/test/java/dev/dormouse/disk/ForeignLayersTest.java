package dev.dormouse.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Layers of formats that are neither raw nor qcow2, against what `qemu-img convert` makes of them.
@Tag("qemu")
class ForeignLayersTest {
    /// With a tail that is no whole block.
    private static final int SIZE_BYTES = (1 << 20) + 512;

    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private final DiskTools tools = DiskTools.of("7.2");
    private final byte[] content = new byte[SIZE_BYTES];

    @TempDir
    private Path folder;

    private Path raw;

    @BeforeEach
    void makeARawDisk() throws IOException {
        new Random(5).nextBytes(content);
        Arrays.fill(content, 200_000, 500_000, (byte) 0);
        raw = Files.write(folder.resolve("content.raw"), content);
    }

    @ParameterizedTest(name = "{0} {1}")
    @CsvSource({
        "QCOW, ''",
        "QED, ''",
        "VMDK, subformat=monolithicSparse",
        "VMDK, subformat=streamOptimized",
        "VDI, ''",
        "VDI, static=on",
        "VHDX, ''",
        "VHDX, subformat=fixed",
        "VPC, ''",
        "PARALLELS, ''",
        "BOCHS, ''",
        "CLOOP, ''",
    })
    void showsWhatQemuShows(Layer.Format format, String options) throws IOException {
        Path disk = ForeignDisks.make(tools, raw, format, options);
        Path overlay = overlay(disk, format);

        for (String version : List.of("7.2", "10.0")) {
            QemuImg images = DiskTools.of(version).qemuImg();
            BackingChain chain = images.backingChain(overlay);

            assertThat(chain.layers().getFirst()).isEqualTo(new Layer(disk.toString(), format));
            assertThat(chain.servedDepth()).isEqualTo(1);
            assertShows(chain, images);
        }
    }

    /// Each of those that may have one, above one of another format.
    @ParameterizedTest
    @CsvSource({"QCOW, VPC", "QED, VDI", "VMDK, VMDK"})
    void showsALayerAboveAnother(Layer.Format format, Layer.Format below) throws IOException {
        Path base = ForeignDisks.make(tools, raw, below, "");
        Path disk = folder.resolve("above." + format.qemuName());
        tools.create("-f", format.qemuName(), "-b", base.toString(), "-F", below.qemuName(), disk.toString());
        tools.io(disk, format, "write -P 3 64k 100k", "write -P 4 600k 4k");
        Arrays.fill(content, 64 << 10, 164 << 10, (byte) 3);
        Arrays.fill(content, 600 << 10, 604 << 10, (byte) 4);

        BackingChain chain = tools.qemuImg().backingChain(overlay(disk, format));

        assertThat(chain.servedDepth()).isEqualTo(2);
        assertShows(chain, tools.qemuImg());
    }

    private Path overlay(Path disk, Layer.Format format) throws IOException {
        Path overlay = folder.resolve("overlay.qcow2");
        tools.create("-f", "qcow2", "-b", disk.toString(), "-F", format.qemuName(), overlay.toString());
        tools.io(overlay, Layer.Format.QCOW2, "write -P 7 300k 4k", "write -z 700k 64k");
        Arrays.fill(content, 300 << 10, 304 << 10, (byte) 7);
        Arrays.fill(content, 700 << 10, 764 << 10, (byte) 0);
        return overlay;
    }

    /// A vpc may be larger than what it was made of.
    private void assertShows(BackingChain chain, QemuImg images) throws IOException {
        byte[] blocks = Arrays.copyOf(content, content.length / DiskView.BLOCK_BYTES * DiskView.BLOCK_BYTES);
        try (var view = FrozenDiskView.open(chain, images)) {
            assertThat(view.sizeBytes()).isBetween((long) content.length, content.length + 100_000L);
            ByteBuffer read = ByteBuffer.allocateDirect(blocks.length);
            view.read(0, read);
            assertThat(read.flip().mismatch(ByteBuffer.wrap(blocks))).isEqualTo(-1);
        }
    }

    @ParameterizedTest
    @CsvSource({"monolithicFlat, -flat", "twoGbMaxExtentSparse, -s001", "twoGbMaxExtentFlat, -f001"})
    void refusesAVmdkOfSeveralFiles(String subformat, String suffix) throws IOException {
        Path disk = ForeignDisks.make(tools, raw, Layer.Format.VMDK, "subformat=" + subformat);

        assertThatThrownBy(() -> tools.qemuImg().backingChain(disk))
                .isInstanceOf(DiskException.class)
                .hasMessage(
                        "%s: its data is in %s, a disk of one file is allowed: make one with 'qemu-img convert -O qcow2'",
                        disk, disk.toString().replace(".vmdk", suffix + ".vmdk"));
    }

    @Test
    void refusesWhatNeedsAKeyOrIsNoFile() throws IOException {
        Path key = Files.writeString(folder.resolve("key"), "secret");
        tools.create(
                "--object",
                "secret,id=key,file=" + key,
                "-f",
                "qcow2",
                "-o",
                "encrypt.format=aes,encrypt.key-secret=key",
                folder.resolve("locked.qcow2").toString(),
                "1M");
        Path above = folder.resolve("above.qcow2");
        tools.create(
                "-u",
                "-f",
                "qcow2",
                "-b",
                "json:{\"driver\":\"raw\",\"file\":{\"driver\":\"null-co\",\"size\":65536,\"read-zeroes\":true}}",
                "-F",
                "raw",
                above.toString(),
                "1M");

        assertRefused("locked.qcow2", ": is encrypted, give a disk that can be read without a key");
        assertRefused("above.qcow2", ", only local files are allowed");
        assertThatThrownBy(() -> Layer.Format.of("luks"))
                .hasMessage("disk format is 'luks', allowed are "
                        + "raw, qcow2, qcow, qed, vmdk, vdi, vhdx, vpc, parallels, bochs, cloop");
    }

    private void assertRefused(String disk, String why) {
        assertThatThrownBy(() -> tools.qemuImg().backingChain(folder.resolve(disk)))
                .isInstanceOf(DiskException.class)
                .hasMessageStartingWith(folder.resolve(disk).toString())
                .hasMessageEndingWith(why);
    }

    @Test
    void aServerEndsWithItsLastConnection() throws Exception {
        Path disk = ForeignDisks.make(tools, raw, Layer.Format.VDI, "");
        var chain = new BackingChain(List.of(new Layer(disk.toString(), Layer.Format.VDI)));
        Path socket = folder.resolve("s");

        LayerServer server = LayerServer.start(chain, tools.qemuImg(), socket, List.of());
        long first = onlyServer(socket).pid();
        try (NbdClient guest = NbdClient.connect("test", socket, PATIENCE)) {
            server.close();
            LayerServer.startUnlessThere(chain, tools.qemuImg(), socket, List.of())
                    .close();
            assertThat(onlyServer(socket).pid()).isEqualTo(first);
            ByteBuffer read = ByteBuffer.allocateDirect(4096);
            guest.read(0, read);
            assertThat(read.flip().mismatch(ByteBuffer.wrap(content, 0, 4096))).isEqualTo(-1);
            assertThatThrownBy(() -> tools.io(disk, Layer.Format.VDI, "write 0 4k"))
                    .hasMessageContaining("lock");
        }

        Optional<ProcessHandle> ended = ProcessHandle.of(first);
        if (ended.isPresent()) {
            ended.get().onExit().get(10, TimeUnit.SECONDS);
        }
    }

    private static ProcessHandle onlyServer(Path socket) {
        List<ProcessHandle> servers = ProcessHandle.allProcesses()
                .filter(process -> process.info().commandLine().orElse("").contains("--socket=" + socket + " "))
                .toList();
        assertThat(servers).hasSize(1);
        return servers.getFirst();
    }

    @Test
    void aServerThatCannotStartSaysWhy() throws IOException {
        Path disk = Files.write(folder.resolve("broken.vdi"), new byte[4096]);
        var chain = new BackingChain(List.of(new Layer(disk.toString(), Layer.Format.VDI)));

        assertThatThrownBy(() -> LayerServer.start(chain, tools.qemuImg(), folder.resolve("s"), List.of()))
                .isInstanceOf(DiskException.class)
                .hasMessageStartingWith(disk + ": qemu-nbd cannot serve it: ");
    }
}
