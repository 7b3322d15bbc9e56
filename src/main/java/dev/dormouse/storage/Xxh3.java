package dev.dormouse.storage;

import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;

/// XXH3, the checksum of pages and of parts of files. Uses libxxhash where the host has it (over
/// 20 GB/s), else Java code with the same results. Not a defence against somebody who chooses the
/// bytes, unless the seed is secret. Stateless; any thread. With libxxhash, 64 bits cost
/// no allocation, and 128 bits the 32 bytes that the JVM takes for a structure that is returned.
public final class Xxh3 {
    private static final Implementation BEST = NativeXxh3.isAvailable() ? new NativeXxh3() : new JavaXxh3();

    private Xxh3() {}

    /// One way to compute it; all ways agree.
    interface Implementation {
        long hash64(MemorySegment bytes);

        void hash128(MemorySegment bytes, long seed, Hash128 into);
    }

    /// {@return XXH3-64 without a seed}
    public static long hash64(MemorySegment bytes) {
        return BEST.hash64(bytes);
    }

    /// {@return XXH3-64 of what remains in the buffer, heap or direct, whose position stays}
    public static long hash64(ByteBuffer bytes) {
        return BEST.hash64(MemorySegment.ofBuffer(bytes));
    }

    /// Computes XXH3-128 with a seed; 0 is the same as none.
    public static void hash128(MemorySegment bytes, long seed, Hash128 into) {
        BEST.hash128(bytes, seed, into);
    }

    /// {@return which implementation is in use, for people}
    public static String implementation() {
        return BEST.toString();
    }
}
