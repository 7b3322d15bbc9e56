package dev.dormouse.index;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskTools;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.disk.Layer;
import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Finds pages on real disks. The oracle knows nothing of maps, hashes and indexes: it compares each page with
/// each block of the disk that qemu-img converted to raw.
@Tag("qemu")
class DiskIndexTest {
    private static final int BLOCK = RamBlock.TARGET_PAGE_BYTES;
    private static final int DISK_BYTES = 16 << 20;
    private final DiskTools tools = DiskTools.of("7.2");

    @TempDir
    private Path folder;

    @Test
    void findsWhatBruteForceFindsOnARawDisk() throws IOException {
        Path disk = rawDisk("disk.raw", 1);

        assertRecall(new BackingChain(List.of(raw(disk))), pages(Files.readAllBytes(disk), 2));
    }

    @ParameterizedTest
    @ValueSource(strings = {"7.2", "10.0"})
    void findsWhatBruteForceFindsOnAChain(String version) throws IOException {
        DiskTools these = DiskTools.of(version);
        BackingChain chain = chain(these);
        byte[] whole = Files.readAllBytes(these.convert(chain.top(), folder.resolve("whole.raw")));

        assertRecall(chain, pages(whole, 3));
    }

    @Test
    void prefersTheHint() throws IOException {
        Path disk = folder.resolve("same.raw");
        byte[] content = new byte[64 * BLOCK];
        Arrays.fill(content, (byte) 7);
        Files.write(disk, content);
        BackingChain chain = new BackingChain(List.of(raw(disk)));

        try (var view = FrozenDiskView.open(chain, tools.qemuImg());
                DiskIndex index = DiskIndex.open(chain, view, store(), IndexListener.NONE)) {
            for (long hint = 0; hint < 64; hint++) {
                assertThat(find(index, Arrays.copyOf(content, BLOCK), hint)).isEqualTo(hint);
            }
            assertThat(find(index, Arrays.copyOf(content, BLOCK), 64)).isNotNegative();
        }
    }

    /// Everything that may happen to a disk behind a stale index, which is used on purpose.
    @ParameterizedTest
    @ValueSource(strings = {"rewrite", "discard", "move", "replace", "truncate", "swap"})
    void neverFindsWhatIsNotThere(String change) throws IOException {
        Path disk = rawDisk("disk.raw", 4);
        Path other = rawDisk("other.raw", 5);
        byte[] before = Files.readAllBytes(disk);
        BackingChain chain = new BackingChain(List.of(raw(disk)));
        try (BlockIndex stale = store().open(raw(disk), IndexListener.NONE).index()) {
            change(change, disk, other);

            try (var view = FrozenDiskView.open(chain, tools.qemuImg())) {
                assertThat(store().find(raw(disk))).isEmpty();
                byte[] now = Files.readAllBytes(disk);
                int found = 0;
                for (byte[] page : pages(before, 6)) {
                    found += assertRight(new DiskIndex(view, List.of(stale)), page, now);
                }
                boolean partOnly = List.of("rewrite", "discard", "truncate").contains(change);
                assertThat(found > 0).as("%d found", found).isEqualTo(partOnly);
            }
        }
    }

    @Test
    void findsNothingWhereTheDiskEndsUnderTheView() throws IOException {
        Path disk = rawDisk("disk.raw", 7);
        byte[] before = Files.readAllBytes(disk);
        BackingChain chain = new BackingChain(List.of(raw(disk)));
        try (var view = FrozenDiskView.open(chain, tools.qemuImg());
                DiskIndex index = DiskIndex.open(chain, view, store(), IndexListener.NONE)) {
            Files.write(disk, new byte[0]);

            for (byte[] page : pages(before, 10)) {
                assertThat(find(index, page, -1)).isEqualTo(-1);
            }
            assertThat(index.unreadableBlocks()).isPositive();
        }
    }

    @Test
    void isBroughtUpToDateByWhatChanged() throws IOException {
        BackingChain chain = chain(tools);
        Layer own = chain.top();
        var since = dev.dormouse.disk.LayerIdentity.of(own);
        store().open(own, IndexListener.NONE).index().close();
        tools.io(Path.of(own.path()), own.format(), "write -P 201 5M 12k", "discard 1M 64k", "write -P 202 15M 4k");
        var changed = List.of(
                new ByteRange(5 << 20, 12 << 10), new ByteRange(1 << 20, 64 << 10), new ByteRange(15 << 20, BLOCK));

        IndexStore.Opened opened = store().refresh(own, since, changed, IndexListener.NONE);

        assertThat(opened.built()).isTrue();
        assertThat(opened.readBytes()).isLessThanOrEqualTo(192 << 10);
        opened.index().close();
        byte[] whole = Files.readAllBytes(tools.convert(own, folder.resolve("whole.raw")));
        assertRecall(chain, pages(whole, 8));
        Files.delete(store().file(own));
        try (BlockIndex fresh = store().open(own, IndexListener.NONE).index()) {
            assertThat(opened.index().digest()).isEqualTo(fresh.digest());
        }
    }

    @Test
    void isBuiltAfreshWhenItIsNotKnownWhatChanged() throws IOException {
        Layer own = chain(tools).top();
        store().open(own, IndexListener.NONE).index().close();
        tools.io(Path.of(own.path()), own.format(), "write -P 201 5M 12k");
        var since = dev.dormouse.disk.LayerIdentity.of(own); // Not the state that was indexed.
        tools.io(Path.of(own.path()), own.format(), "write -P 202 6M 12k");

        try (BlockIndex index = store().refresh(
                        own, since, List.of(new ByteRange(6 << 20, 12 << 10)), IndexListener.NONE)
                .index()) {
            assertThat(index.isOf(dev.dormouse.disk.LayerIdentity.of(own))).isTrue();
            var page = new byte[BLOCK];
            Arrays.fill(page, (byte) 201);
            assertThat(index.lookup(Xxh3.hash64(MemorySegment.ofArray(page)), new long[4]))
                    .isEqualTo(3);
        }
    }

    private void change(String how, Path disk, Path other) throws IOException {
        switch (how) {
            case "rewrite" -> tools.io(disk, Layer.Format.RAW, "write -P 9 1M 6M", "write -P 10 513k 1k");
            case "discard" -> tools.io(disk, Layer.Format.RAW, "discard 0 8M");
            case "move" -> Files.write(disk, rotated(Files.readAllBytes(disk)));
            case "replace" -> Files.move(other, disk, StandardCopyOption.REPLACE_EXISTING);
            case "truncate" -> {
                try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
                    file.setLength(DISK_BYTES / 2 + 700);
                }
            }
            case "swap" -> {
                Files.move(disk, folder.resolve("aside"));
                Files.move(other, disk);
                Files.move(folder.resolve("aside"), other);
            }
            default -> throw new IllegalArgumentException(how);
        }
    }

    private static byte[] rotated(byte[] content) {
        byte[] rotated = new byte[content.length];
        System.arraycopy(content, 3 * BLOCK, rotated, 0, content.length - 3 * BLOCK);
        System.arraycopy(content, 0, rotated, content.length - 3 * BLOCK, 3 * BLOCK);
        return rotated;
    }

    private void assertRecall(BackingChain chain, List<byte[]> pages) throws IOException {
        byte[] whole = Files.readAllBytes(tools.convert(chain.top(), folder.resolve("oracle.raw")));
        int expected = 0;
        int found = 0;
        try (var view = FrozenDiskView.open(chain, tools.qemuImg());
                DiskIndex index = DiskIndex.open(chain, view, store(), IndexListener.NONE)) {
            long hint = -1;
            for (byte[] page : pages) {
                expected += isOnDisk(page, whole) ? 1 : 0;
                long block = find(index, page, hint);
                hint = block + 1;
                if (block >= 0) {
                    found++;
                    assertEqual(page, whole, block);
                }
            }
            assertThat(index.unreadableBlocks()).isZero();
        }
        System.out.printf("recall: %d of %d pages that are on the disk%n", found, expected);
        assertThat(expected).isGreaterThan(pages.size() / 4);
        assertThat(found).isGreaterThanOrEqualTo(expected * 99 / 100);
    }

    /// The oracle.
    private static boolean isOnDisk(byte[] page, byte[] whole) {
        for (int at = 0; at + BLOCK <= whole.length; at += BLOCK) {
            if (Arrays.equals(page, 0, BLOCK, whole, at, at + BLOCK)) {
                return true;
            }
        }
        return false;
    }

    /// {@return 1 if the page was found, where it stands then, else 0}
    private static int assertRight(DiskIndex index, byte[] page, byte[] whole) {
        long block = find(index, page, -1);
        if (block < 0) {
            return 0;
        }
        assertEqual(page, whole, block);
        return 1;
    }

    private static void assertEqual(byte[] page, byte[] whole, long block) {
        assertThat(ByteBuffer.wrap(page).mismatch(ByteBuffer.wrap(whole, (int) block * BLOCK, BLOCK)))
                .as("block %d", block)
                .isEqualTo(-1);
    }

    private static long find(DiskIndex index, byte[] page, long hint) {
        MemorySegment segment = MemorySegment.ofArray(page);
        return index.find(Xxh3.hash64(segment), segment, hint);
    }

    /// Pages of a guest: runs of the disk, single blocks, pages that are on no disk, all of them not zero.
    private static List<byte[]> pages(byte[] disk, long seed) {
        var random = new SplittableRandom(seed);
        var pages = new java.util.ArrayList<byte[]>();
        while (pages.size() < 1500) {
            int run = random.nextInt(3) == 0 ? 1 + random.nextInt(40) : 1;
            int first = random.nextInt(disk.length / BLOCK - run);
            for (int block = first; block < first + run; block++) {
                byte[] page = Arrays.copyOfRange(disk, block * BLOCK, (block + 1) * BLOCK);
                if (random.nextInt(4) == 0) {
                    page[random.nextInt(BLOCK)] ^= 1;
                }
                if (!Arrays.equals(page, new byte[BLOCK])) {
                    pages.add(page);
                }
            }
        }
        return pages;
    }

    private Path rawDisk(String name, long seed) throws IOException {
        var random = new SplittableRandom(seed);
        Path disk = folder.resolve(name);
        try (var file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(DISK_BYTES);
            for (int i = 0; i < 60; i++) {
                var bytes = new byte[BLOCK * (1 + random.nextInt(40))];
                random.nextBytes(bytes);
                file.seek((long) BLOCK * random.nextInt((DISK_BYTES - bytes.length) / BLOCK));
                file.write(bytes);
            }
        }
        return disk;
    }

    /// A raw base, a middle layer that hides parts of it, and a layer of the VM's own with compressed clusters.
    private BackingChain chain(DiskTools these) throws IOException {
        Path base = rawDisk("base.raw", 9);
        Path middle = folder.resolve("middle.qcow2");
        Path top = folder.resolve("top.qcow2");
        these.create("-f", "qcow2", "-b", base.toString(), "-F", "raw", middle.toString());
        tools.io(
                middle, Layer.Format.QCOW2, "write -P 3 2M 1M", "write -z 4M 1M", "write -P 4 9M 4k", "discard 10M 1M");
        these.create("-f", "qcow2", "-b", middle.toString(), "-F", "qcow2", top.toString());
        tools.io(
                top,
                Layer.Format.QCOW2,
                "write -P 5 2M 64k",
                "write -c -P 6 3M 64k",
                "write -P 7 4096k 8k",
                "discard 12M 64k");
        return these.qemuImg().backingChain(top);
    }

    private static Layer raw(Path disk) {
        return new Layer(disk.toString(), Layer.Format.RAW);
    }

    private IndexStore store() {
        return new IndexStore(folder.resolve("indexes"), tools.qemuImg());
    }
}
