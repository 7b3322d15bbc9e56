package dev.dormouse.storage;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class Xxh3Test {
    private static final long SEED = Long.getLong("dormouse.seed", 42);

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 1024, 4095, 4096, 4097, 65536})
    void libraryAndJavaCodeAgree(int length) {
        assumeTrue(NativeXxh3.isAvailable(), "libxxhash.so.0 is not installed");
        var library = new NativeXxh3();
        var java = new JavaXxh3();
        MemorySegment bytes = MemorySegment.ofArray(random(length));
        for (long seed : new long[] {0, 1, -1, 0x1234_5678_9abc_def0L}) {
            assertThat(library.hash64(bytes)).isEqualTo(java.hash64(bytes));
            assertThat(words(library, bytes, seed)).isEqualTo(words(java, bytes, seed));
        }
    }

    @Test
    void hashesHeapAndDirectMemoryAlike() {
        byte[] page = random(4096);
        ByteBuffer direct = ByteBuffer.allocateDirect(5000).position(7);
        direct.put(page).flip().position(7);

        assertThat(Xxh3.hash64(direct)).isEqualTo(Xxh3.hash64(ByteBuffer.wrap(page)));
        assertThat(direct.position()).isEqualTo(7);
    }

    @Test
    void givesThePublishedValueOfNoBytes() {
        assertThat(Xxh3.hash64(ByteBuffer.allocate(0))).isEqualTo(0x2d06_8005_38d3_94c2L);
    }

    @Test
    void allocatesNothing() {
        assumeTrue(NativeXxh3.isAvailable(), "libxxhash.so.0 is not installed");
        var threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment page = arena.allocate(4096);
            hashOften(page, 200_000); // Until it is compiled.

            long before = threads.getCurrentThreadAllocatedBytes();
            hashOften(page, 100_000);

            long allocatedBytes = threads.getCurrentThreadAllocatedBytes() - before;
            assertThat(allocatedBytes).isLessThan(100_000);
        }
    }

    private static void hashOften(MemorySegment page, int times) {
        for (int i = 0; i < times; i++) {
            page.set(ValueLayout.JAVA_LONG, 0, Xxh3.hash64(page));
        }
    }

    private static long[] words(Xxh3.Implementation implementation, MemorySegment bytes, long seed) {
        var hash = new Hash128();
        implementation.hash128(bytes, seed, hash);
        return new long[] {hash.low(), hash.high()};
    }

    private static byte[] random(int length) {
        var bytes = new byte[length];
        new SplittableRandom(SEED).nextBytes(bytes);
        return bytes;
    }
}
