package dev.dormouse.index;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Index files with wrong bytes. Invariants checked:
/// - every header with a bit flipped, and every file of another length, is refused;
/// - with any other bytes wrong, a match is a block with the content that was asked for;
/// - a refresh of such an index ends, and still no match is wrong.
class IndexFuzzTest {
    private static final int BLOCKS = 2000;
    private final MemoryLayer layer = MemoryLayer.random(BLOCKS, new SplittableRandom(21));

    @TempDir
    private Path folder;

    private Path file;

    @BeforeEach
    void build() throws IOException {
        file = Files.createFile(folder.resolve("index"));
        try (BlockIndex index = BlockIndex.create(file, BLOCKS, BLOCKS, MemoryLayer.identity(1))) {
            index.build(layer, IndexListener.NONE);
        }
    }

    @Test
    void refusesAHeaderWithAnyBitFlipped() throws IOException {
        for (int bit = 0; bit < IndexHeader.SIZE_BYTES * 8; bit++) {
            flip(bit);
            assertThat(BlockIndex.open(file)).as("bit %d", bit).isEmpty();
            flip(bit);
        }
        BlockIndex.open(file).orElseThrow().close();
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, 1, -4096, 4096})
    void refusesAFileOfAnotherLength(long difference) throws IOException {
        try (var bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.setLength(bytes.length() + difference);
        }

        assertThat(BlockIndex.open(file)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 127, 128, 4095})
    void refusesAFileWithoutAnythingBehindItsHeader(int length) throws IOException {
        try (var bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.setLength(length);
        }

        assertThat(BlockIndex.open(file)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(longs = {31, 32, 33, 34, 35, 36})
    void neverMatchesAWrongBlockWhateverTheBytes(long seed) throws IOException {
        damage(new SplittableRandom(seed), 1 + (int) (seed % 6) * 4000);

        try (BlockIndex index = BlockIndex.open(file).orElseThrow()) {
            assertNoWrongMatch(index, seed);
            index.refresh(
                    layer, List.of(new ByteRange(0, BLOCKS * 2048L)), MemoryLayer.identity(2), IndexListener.NONE);
            assertNoWrongMatch(index, seed);
        }
    }

    @ParameterizedTest
    @ValueSource(bytes = {1, (byte) 0xff})
    void endsItsSearchesInATableWithoutAFreePlace(byte filler) throws IOException {
        try (var bytes = new RandomAccessFile(file.toFile(), "rw")) {
            var rest = new byte[(int) bytes.length() - 4096];
            Arrays.fill(rest, filler);
            bytes.seek(4096);
            bytes.write(rest);
        }

        try (BlockIndex index = BlockIndex.open(file).orElseThrow()) {
            assertNoWrongMatch(index, filler);
            index.refresh(
                    layer, List.of(new ByteRange(0, BLOCKS * 4096L)), MemoryLayer.identity(2), IndexListener.NONE);
            assertNoWrongMatch(index, filler);
        }
    }

    private void assertNoWrongMatch(BlockIndex index, long seed) {
        var disk = new DiskIndex(layer, List.of(index));
        for (long block = 0; block < BLOCKS; block++) {
            long content = Math.max(layer.content(block), 0);
            MemorySegment page = MemorySegment.ofBuffer(MemoryLayer.page(content));
            long found = disk.find(Xxh3.hash64(page), page, block % 3 == 0 ? block : -1);
            if (found >= 0) {
                assertThat(Math.max(layer.content(found), 0))
                        .as("seed %d", seed)
                        .isEqualTo(content);
            }
        }
    }

    private void damage(SplittableRandom random, int bits) throws IOException {
        long length = Files.size(file);
        for (int i = 0; i < bits; i++) {
            flip(random.nextLong(4096 * 8, length * 8));
        }
    }

    private void flip(long bit) throws IOException {
        try (var bytes = new RandomAccessFile(file.toFile(), "rw")) {
            bytes.seek(bit / 8);
            int old = bytes.read();
            bytes.seek(bit / 8);
            bytes.write(old ^ 1 << bit % 8);
        }
    }
}
