package dev.dormouse.micro;

import dev.dormouse.storage.Hash128;
import dev.dormouse.storage.Xxh3;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
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
import org.openjdk.jmh.annotations.Warmup;

/// Checksums of pages, one after the other from memory that is larger than the caches.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class ChecksumBenchmark {
    private static final int PAGE = 4096;

    /// Pages that are hashed in turn.
    @Param("16384")
    public int pages;

    private MemorySegment memory;
    private long next;
    private final Hash128 hash = new Hash128();

    /// Fills the memory.
    @Setup
    public void fill() {
        memory = Arena.ofAuto().allocate((long) pages * PAGE, PAGE);
        var random = new SplittableRandom(42);
        for (long at = 0; at < memory.byteSize(); at += Long.BYTES) {
            memory.set(ValueLayout.JAVA_LONG, at, random.nextLong());
        }
    }

    private MemorySegment page() {
        next = (next + 1) % pages;
        return memory.asSlice(next * PAGE, PAGE);
    }

    /// The checksum of each page in an image.
    @Benchmark
    public long xxh3Of64Bits() {
        return Xxh3.hash64(page());
    }

    /// The hash by which duplicates are found.
    @Benchmark
    public Hash128 xxh3Of128Bits() {
        Xxh3.hash128(page(), 42, hash);
        return hash;
    }
}
