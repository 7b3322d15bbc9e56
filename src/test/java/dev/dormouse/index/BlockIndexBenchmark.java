package dev.dormouse.index;

import dev.dormouse.storage.Xxh3;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// Looking contents up in the index of a layer of which every block has data.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class BlockIndexBenchmark {
    private static final int HASHES = 1 << 12;

    /// Blocks of the layer.
    @Param("262144")
    public int blocks;

    private Path file;
    private BlockIndex index;
    private final long[] present = new long[HASHES];
    private final long[] found = new long[BlockTable.COPIES_MAX];
    private final SplittableRandom random = new SplittableRandom(42);
    private int next;

    /// Builds the index.
    @Setup
    public void build() throws IOException {
        var layer = new MemoryLayer(blocks);
        for (int block = 0; block < blocks; block++) {
            layer.set(block, 1000 + block);
        }
        file = Files.createTempFile("dormouse-micro", ".index");
        index = BlockIndex.create(
                file, layer.blockCount(), BlockChunks.count(BlockChunks.ofData(layer)), MemoryLayer.identity(1));
        index.build(layer, IndexListener.NONE);
        for (int i = 0; i < HASHES; i++) {
            present[i] = Xxh3.hash64(MemoryLayer.page(layer.content(random.nextInt(blocks))));
        }
    }

    /// Removes the index.
    @TearDown
    public void delete() throws IOException {
        index.close();
        Files.delete(file);
    }

    /// A content that the layer has.
    @Benchmark
    public int lookUpThatHits() {
        next = (next + 1) % HASHES;
        return index.lookup(present[next], found);
    }

    /// A content that it has not.
    @Benchmark
    public int lookUpThatMisses() {
        return index.lookup(random.nextLong(), found);
    }
}
