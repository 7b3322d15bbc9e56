package dev.dormouse.index;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockIndexTest {
    private static final int BLOCK = 4096;

    @TempDir
    private Path folder;

    @Test
    void findsEveryBlockThatHasDataAndIsNotZero() throws IOException {
        var layer = MemoryLayer.random(5000, new SplittableRandom(1));

        try (BlockIndex index = build(layer)) {
            assertFindsAll(index, layer);
        }
    }

    @Test
    void readsOnlyData() throws IOException {
        var layer = new MemoryLayer(10_000);
        layer.set(7, 1);
        layer.set(8000, 2);

        build(layer).close();

        assertThat(layer.readBlocks).hasValue(2);
    }

    @Test
    void handsOutAtMostFourCopies() throws IOException {
        var layer = new MemoryLayer(1000);
        for (int block = 0; block < 1000; block++) {
            layer.set(block, 77);
        }

        try (BlockIndex index = build(layer)) {
            assertThat(found(index, 77)).hasSize(4);
            assertThat(index.indexedBlocks()).isEqualTo(1000);
        }
    }

    @Test
    void isTheSameAfterItWasClosed() throws IOException {
        var layer = MemoryLayer.random(3000, new SplittableRandom(2));
        BlockIndex built = build(layer);
        built.close();

        try (BlockIndex index = BlockIndex.open(built.file()).orElseThrow()) {
            assertFindsAll(index, layer);
            assertThat(index.digest()).isEqualTo(built.digest());
            assertThat(index.isOf(MemoryLayer.identity(1))).isTrue();
            assertThat(index.isOf(MemoryLayer.identity(2))).isFalse();
        }
    }

    /// The property of refreshing: same answers and same digest as an index built afresh.
    @ParameterizedTest
    @ValueSource(longs = {11, 12, 13, 14, 15, 16, 17, 18})
    void equalsAFreshOneAfterRefreshes(long seed) throws IOException {
        var random = new SplittableRandom(seed);
        var layer = MemoryLayer.random(1 + random.nextInt(6000), random);
        try (BlockIndex index = build(layer)) {
            for (int round = 0; round < 5; round++) {
                List<ByteRange> changed = change(layer, random);
                index.refresh(layer, changed, MemoryLayer.identity(round), IndexListener.NONE);

                assertFindsAll(index, layer);
                try (BlockIndex fresh = build(layer)) {
                    assertThat(index.digest())
                            .as("seed %d, round %d", seed, round)
                            .isEqualTo(fresh.digest());
                    assertThat(index.indexedBlocks()).isEqualTo(fresh.indexedBlocks());
                }
            }
        }
    }

    @Test
    void growsWhenALayerFillsUp() throws IOException {
        var layer = new MemoryLayer(40_000);
        try (BlockIndex index = build(layer)) {
            long emptyBytes = index.lengthBytes();
            for (int block = 0; block < 40_000; block++) {
                layer.set(block, 1000 + block);
            }
            index.refresh(
                    layer, List.of(new ByteRange(0, 40_000L * BLOCK)), MemoryLayer.identity(2), IndexListener.NONE);

            assertThat(index.lengthBytes()).isGreaterThan(emptyBytes);
            assertFindsAll(index, layer);
        }
        try (BlockIndex index = BlockIndex.open(folder.resolve("1")).orElseThrow()) {
            assertFindsAll(index, layer);
        }
    }

    @Test
    void readsNoMoreThanWhatChanged() throws IOException {
        var layer = new MemoryLayer(100_000);
        for (int block = 0; block < 100_000; block += 2) {
            layer.set(block, 1000 + block);
        }
        try (BlockIndex index = build(layer)) {
            layer.readBlocks.set(0);

            long bytes = index.refresh(
                    layer,
                    List.of(new ByteRange(50 * BLOCK + 5, 10), new ByteRange(60 * BLOCK + 4095, 2)),
                    MemoryLayer.identity(2),
                    IndexListener.NONE);

            assertThat(layer.readBlocks).hasValue(3);
            assertThat(bytes).isEqualTo(3 * BLOCK);
        }
    }

    @Test
    void isNoneAfterARefreshThatFailed() throws IOException {
        var layer = MemoryLayer.random(3000, new SplittableRandom(3));
        IndexListener impatient = new IndexListener() {
            @Override
            public void progress(long doneBytes, long totalBytes) {}

            @Override
            public boolean isCancelled() {
                return true;
            }
        };
        try (BlockIndex index = build(layer)) {
            List<ByteRange> all = List.of(new ByteRange(0, 3000L * BLOCK));

            assertThatThrownBy(() -> index.refresh(layer, all, MemoryLayer.identity(2), impatient))
                    .isInstanceOf(IndexException.class)
                    .hasMessage("block index: cancelled while it was made");
        }

        assertThat(BlockIndex.open(folder.resolve("1"))).isEmpty();
    }

    @Test
    void isCompleteOnlyWhenItWasClosedAfterARefresh() throws IOException {
        var layer = MemoryLayer.random(3000, new SplittableRandom(4));
        try (BlockIndex index = build(layer)) {
            index.refresh(layer, List.of(new ByteRange(0, BLOCK)), MemoryLayer.identity(2), IndexListener.NONE);

            assertFindsAll(index, layer);
            assertThat(BlockIndex.open(folder.resolve("1"))).isEmpty();
        }

        try (BlockIndex index = BlockIndex.open(folder.resolve("1")).orElseThrow()) {
            assertThat(index.isOf(MemoryLayer.identity(2))).isTrue();
        }
    }

    @Test
    void refusesALayerThatIsTooLarge() throws IOException {
        Path file = Files.createFile(folder.resolve("large"));

        assertThatThrownBy(() -> BlockIndex.create(file, (1L << 32) - 1, 0, MemoryLayer.identity(1)))
                .isInstanceOf(IndexException.class)
                .hasMessage("/disks/a.qcow2: has 4294967295 blocks of 4 KiB, an index takes at most 4294967294");
    }

    @Test
    void takesAnEmptyLayer() throws IOException {
        try (BlockIndex index = build(new MemoryLayer(0))) {
            assertThat(found(index, 1)).isEmpty();
            assertThat(index.digest()).isEqualTo(ContentDigest.EMPTY);
        }
    }

    private int files;

    private BlockIndex build(MemoryLayer layer) throws IOException {
        Path file = Files.createFile(folder.resolve(Integer.toString(++files)));
        BlockIndex index = BlockIndex.create(
                file, layer.blockCount(), BlockChunks.count(BlockChunks.ofData(layer)), MemoryLayer.identity(1));
        index.build(layer, IndexListener.NONE);
        return index;
    }

    private static List<ByteRange> change(MemoryLayer layer, SplittableRandom random) {
        var ranges = new ArrayList<ByteRange>();
        for (int i = 0; i < 40; i++) {
            int first = random.nextInt((int) layer.blockCount());
            int count = Math.min(1 + random.nextInt(60), (int) layer.blockCount() - first);
            for (int block = first; block < first + count; block++) {
                layer.set(block, MemoryLayer.randomContent(random));
            }
            int before = random.nextInt(BLOCK / 2);
            ranges.add(new ByteRange((long) first * BLOCK + before, (long) count * BLOCK - before - 1));
        }
        return ranges;
    }

    private static void assertFindsAll(BlockIndex index, MemoryLayer layer) {
        for (long block = 0; block < layer.blockCount(); block++) {
            long content = layer.content(block);
            if (content > 0) {
                assertThat(found(index, content))
                        .as("block %d", block)
                        .isNotEmpty()
                        .allSatisfy(other -> assertThat(layer.content(other)).isEqualTo(content));
            } else {
                assertThat(index.holds(block)).isFalse();
            }
        }
        assertThat(found(index, 0)).isEmpty();
    }

    private static Set<Long> found(BlockIndex index, long content) {
        var blocks = new TreeSet<Long>();
        index.lookup(Xxh3.hash64(MemoryLayer.page(content)), blocks::add);
        return blocks;
    }
}
