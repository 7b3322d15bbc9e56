package dev.dormouse.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Views against what `qemu-img convert` makes of the same disk, byte by byte.
@Tag("qemu")
class FrozenDiskViewTest {
    private static final int BLOCK = DiskView.BLOCK_BYTES;
    private final DiskTools tools = DiskTools.of("7.2");

    @TempDir
    private Path folder;

    @Test
    void showsASparseRawDisk() throws IOException {
        Path disk = raw(10 << 20, "write -P 1 64k 128k", "write -P 2 9M 4k");

        assertShowsTheDisk(new Layer(disk.toString(), Layer.Format.RAW));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1, 511, 4095, 4096, 4097, 1_000_001, 1_048_576 + 512})
    void leavesOutTheTailOfARawDiskOfOddSize(long sizeBytes) throws IOException {
        Path disk = folder.resolve("odd.raw");
        byte[] content = new byte[(int) sizeBytes];
        new java.util.Random(sizeBytes).nextBytes(content);
        Files.write(disk, content);

        assertShowsTheDisk(new Layer(disk.toString(), Layer.Format.RAW));
    }

    @ParameterizedTest
    @CsvSource({"7.2, 4096", "7.2, 65536", "7.2, 2097152", "7.2, 512", "10.0, 65536"})
    void showsAChainOfThreeLayers(String version, int clusterBytes) throws IOException {
        DiskTools these = DiskTools.of(version);
        Path base = qcow2(these, "base", null, "cluster_size=" + clusterBytes, 8 << 20);
        fill(base, 1, 8 << 20, "write");
        Path middle = qcow2(these, "middle", base, "cluster_size=" + clusterBytes, 8 << 20);
        fill(middle, 2, 8 << 20, "write", "write -z", "discard");
        Path top = qcow2(these, "top", middle, "cluster_size=" + clusterBytes, 8 << 20);
        fill(top, 3, 8 << 20, "write", "write -z", "discard");

        assertShowsTheDisk(new Layer(top.toString(), Layer.Format.QCOW2));
    }

    @ParameterizedTest
    @ValueSource(strings = {"7.2", "10.0"})
    void showsSubclusters(String version) throws IOException {
        DiskTools these = DiskTools.of(version);
        Path base = raw(8 << 20, "write -P 9 0 8M");
        Path top = folder.resolve("sub.qcow2");
        these.create(
                "-f",
                "qcow2",
                "-o",
                "extended_l2=on,cluster_size=16k",
                "-b",
                base.toString(),
                "-F",
                "raw",
                top.toString());
        fill(top, 4, 8 << 20, "write", "write -z", "discard");

        assertShowsTheDisk(new Layer(top.toString(), Layer.Format.QCOW2));
    }

    @ParameterizedTest
    @ValueSource(strings = {"7.2", "10.0"})
    void readsCompressedClustersThroughAnExport(String version) throws IOException {
        DiskTools these = DiskTools.of(version);
        Path base = qcow2(these, "base", null, "cluster_size=65536", 8 << 20);
        tools.io(base, Layer.Format.QCOW2, "write -c -P 5 1M 64k", "write -P 6 2M 256k", "write -c -P 7 4M 64k");
        Path top = qcow2(these, "top", base, "cluster_size=65536", 8 << 20);
        fill(top, 5, 8 << 20, "write");

        assertShowsTheDisk(new Layer(top.toString(), Layer.Format.QCOW2));
    }

    @ParameterizedTest
    @ValueSource(strings = {"on", "off"})
    void readsAnExternalDataFile(String rawData) throws IOException {
        Path disk = folder.resolve("with.qcow2");
        tools.create(
                "-f",
                "qcow2",
                "-o",
                "data_file=" + folder.resolve("data") + ",data_file_raw=" + rawData,
                disk.toString(),
                "8M");
        fill(disk, 6, 8 << 20, "write", "write -z", "discard");

        assertShowsTheDisk(new Layer(disk.toString(), Layer.Format.QCOW2));
    }

    @ParameterizedTest
    @ValueSource(ints = {3 << 20, (3 << 20) + 512, 13 << 20})
    void showsAnOverlayOfAnotherSizeThanItsBase(int overlayBytes) throws IOException {
        Path base = raw((8 << 20) + 1536, "write -P 3 0 8M");
        Path top = folder.resolve("top.qcow2");
        tools.create("-f", "qcow2", "-b", base.toString(), "-F", "raw", top.toString(), Integer.toString(overlayBytes));
        fill(top, 7, 3 << 20, "write", "discard");

        assertShowsTheDisk(new Layer(top.toString(), Layer.Format.QCOW2));
    }

    @Test
    void startsNoServerWhereItIsNotNeeded() throws IOException {
        Path disk = qcow2(tools, "plain", null, "cluster_size=65536", 1 << 20);
        fill(disk, 8, 1 << 20, "write");

        try (var view = FrozenDiskView.openLayer(new Layer(disk.toString(), Layer.Format.QCOW2), tools.qemuImg())) {
            view.read(0, ByteBuffer.allocateDirect(1 << 20));

            assertThat(view.usesServer()).isFalse();
        }
    }

    @Test
    void endsItsServerWithItself() throws IOException {
        Path disk = qcow2(tools, "packed", null, "cluster_size=65536", 1 << 20);
        tools.io(disk, Layer.Format.QCOW2, "write -c -P 5 0 64k");

        try (var view = FrozenDiskView.openLayer(new Layer(disk.toString(), Layer.Format.QCOW2), tools.qemuImg())) {
            view.read(0, ByteBuffer.allocateDirect(BLOCK));
            assertThat(view.usesServer()).isTrue();
        }

        assertThat(ProcessHandle.current().children().filter(ProcessHandle::isAlive))
                .noneMatch(child -> child.info().command().orElse("").endsWith("qemu-nbd"));
    }

    @Test
    void refusesAFileThatWasTruncated() throws IOException {
        Path disk = raw(1 << 20, "write -P 1 0 1M");
        Layer layer = new Layer(disk.toString(), Layer.Format.RAW);

        try (var view = FrozenDiskView.openLayer(layer, tools.qemuImg());
                var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(6000);

            assertThatThrownBy(() -> view.read(1, ByteBuffer.allocateDirect(BLOCK)))
                    .isInstanceOf(DiskException.class)
                    .hasMessage(
                            "%s: disk layer became shorter than the 1048576 bytes that it had, put the unchanged file back",
                            disk);
        }
    }

    /// While a VM is being restored, its disk gets another name, or another file gets its name.
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void readsTheFileThatItOpenedWhateverHasItsNameNow(boolean swapped) throws IOException {
        Path disk = raw(1 << 20, "write -P 3 0 1M");
        Path other = Files.write(folder.resolve("other.raw"), new byte[1 << 20]);
        try (var view = FrozenDiskView.openLayer(new Layer(disk.toString(), Layer.Format.RAW), tools.qemuImg())) {
            if (swapped) {
                Files.move(disk, folder.resolve("aside"));
                Files.move(other, disk);
                Files.move(folder.resolve("aside"), other);
            } else {
                Files.move(other, disk, java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            }

            ByteBuffer bytes = ByteBuffer.allocateDirect(1 << 20);
            view.read(0, bytes);
            assertThat(bytes.flip().mismatch(filled((byte) 3))).isEqualTo(-1);
        }
    }

    private static ByteBuffer filled(byte value) {
        byte[] bytes = new byte[1 << 20];
        java.util.Arrays.fill(bytes, value);
        return ByteBuffer.wrap(bytes);
    }

    @Test
    void refusesBlocksThatTheDiskDoesNotHave() throws IOException {
        Path disk = raw(10_000);

        try (var view = FrozenDiskView.openLayer(new Layer(disk.toString(), Layer.Format.RAW), tools.qemuImg())) {
            assertThat(view.blockCount()).isEqualTo(2);
            assertThatThrownBy(() -> view.read(1, ByteBuffer.allocate(2 * BLOCK)))
                    .hasMessage("%s: 8192 bytes from block 1 are asked for, the disk has 2 whole blocks", disk);
        }
    }

    @Test
    void saysWhyQemuCannotMapADisk() throws IOException {
        Path disk = qcow2(tools, "broken", null, "cluster_size=65536", 1 << 20);
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.seek(40);
            file.writeLong(12345); // The L1 table is not at the start of a cluster.
        }

        assertThatThrownBy(
                        () -> FrozenDiskView.openLayer(new Layer(disk.toString(), Layer.Format.QCOW2), tools.qemuImg()))
                .isInstanceOf(DiskException.class)
                .hasMessageStartingWith(disk + ": qemu-img cannot map it: qemu-img: Could not open ")
                .hasMessageContaining("L1 table offset invalid");
    }

    @Test
    void givesKeysInTheOrderOfTheFile() throws IOException {
        Path disk = qcow2(tools, "order", null, "cluster_size=65536", 1 << 20);
        tools.io(disk, Layer.Format.QCOW2, "write -P 1 512k 64k", "write -P 2 0 64k", "write -c -P 3 64k 64k");

        try (var view = FrozenDiskView.openLayer(new Layer(disk.toString(), Layer.Format.QCOW2), tools.qemuImg())) {
            assertThat(view.readingOrder(128)).isLessThan(view.readingOrder(129));
            assertThat(view.readingOrder(129)).isEqualTo(view.readingOrder(128) + BLOCK);
            assertThat(view.readingOrder(143)).isLessThan(view.readingOrder(0));
            assertThat(view.readingOrder(15)).isLessThan(view.readingOrder(16));
        }
    }

    @Test
    void namesTheDataOfOneLayerOnly() throws IOException {
        Path base = qcow2(tools, "base", null, "cluster_size=65536", 1 << 20);
        tools.io(base, Layer.Format.QCOW2, "write -P 1 0 1M");
        Path top = qcow2(tools, "top", base, "cluster_size=65536", 1 << 20);
        tools.io(
                top,
                Layer.Format.QCOW2,
                "write -P 2 192k 64k",
                "write -P 2 128k 64k",
                "write -z 0 64k",
                "write -P 3 900k 4k");

        var found = new ArrayList<String>();
        try (var layer = FrozenDiskView.openLayer(new Layer(top.toString(), Layer.Format.QCOW2), tools.qemuImg())) {
            for (LayerView.DataExtents extents = layer.dataExtents(); extents.next(); ) {
                found.add(extents.startBytes() / 1024 + "+" + extents.lengthBytes() / 1024);
            }
            assertThat(layer.isZero(0, 32)).isTrue();
            assertThat(layer.isZero(31, 2)).isFalse();
        }

        assertThat(found).containsExactly("128+128", "896+64");
    }

    private Path raw(long sizeBytes, String... commands) throws IOException {
        Path disk = folder.resolve("disk.raw");
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(sizeBytes);
        }
        if (commands.length > 0) {
            tools.io(disk, Layer.Format.RAW, commands);
        }
        return disk;
    }

    private Path qcow2(
            DiskTools these, String name, @org.jspecify.annotations.Nullable Path base, String options, long sizeBytes)
            throws IOException {
        Path disk = folder.resolve(name + ".qcow2");
        var arguments = new ArrayList<>(List.of("-f", "qcow2", "-o", options));
        if (base != null) {
            arguments.addAll(List.of("-b", base.toString(), "-F", "qcow2"));
        }
        arguments.addAll(List.of(disk.toString(), Long.toString(sizeBytes)));
        these.create(arguments.toArray(String[]::new));
        return disk;
    }

    /// Random parts, most of them not aligned to clusters, some not to blocks.
    private void fill(Path disk, long seed, long sizeBytes, String... verbs) throws IOException {
        var random = new SplittableRandom(seed);
        var commands = new ArrayList<String>();
        for (int i = 0; i < 60; i++) {
            long length = 512L * (1 + random.nextInt(random.nextBoolean() ? 8 : 512));
            long start = 512 * random.nextLong((sizeBytes - length) / 512);
            String verb = verbs[random.nextInt(verbs.length)];
            String pattern = verb.equals("write") ? " -P " + (1 + random.nextInt(255)) : "";
            commands.add(verb + pattern + " " + start + " " + length);
        }
        tools.io(disk, Layer.Format.QCOW2, commands.toArray(String[]::new));
    }

    private void assertShowsTheDisk(Layer top) throws IOException {
        BackingChain chain = tools.qemuImg().backingChain(Path.of(top.path()));
        Path expected = tools.convert(top, folder.resolve("expected.raw"));
        byte[] whole = Files.readAllBytes(expected);
        try (var view = FrozenDiskView.open(chain, tools.qemuImg())) {
            assertThat(view.blockCount()).isEqualTo(whole.length / BLOCK);
            assertThat(view.sizeBytes()).isEqualTo(whole.length);
            assertReads(view, whole, 1);
            assertReads(view, whole, 37);
            assertThat(keys(view)).hasSize((int) view.blockCount());
        }
    }

    private static void assertReads(DiskView view, byte[] whole, int blocks) throws IOException {
        for (int block = 0; block < view.blockCount(); block += blocks) {
            int count = (int) Math.min(blocks, view.blockCount() - block);
            ByteBuffer read =
                    block % 2 == 0 ? ByteBuffer.allocateDirect(count * BLOCK) : ByteBuffer.allocate(count * BLOCK);
            view.read(block, read);
            assertThat(read.hasRemaining()).isFalse();
            assertThat(read.flip().mismatch(ByteBuffer.wrap(whole, block * BLOCK, count * BLOCK)))
                    .as("first difference in %d blocks from %d", count, block)
                    .isEqualTo(-1);
        }
    }

    private static Set<Long> keys(DiskView view) {
        var keys = new HashSet<Long>();
        for (long block = 0; block < view.blockCount(); block++) {
            keys.add(view.readingOrder(block));
        }
        return keys;
    }
}
