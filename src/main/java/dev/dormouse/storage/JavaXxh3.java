package dev.dormouse.storage;

import com.dynatrace.hash4j.hashing.ByteAccess;
import com.dynatrace.hash4j.hashing.HashValue128;
import com.dynatrace.hash4j.hashing.Hasher128;
import com.dynatrace.hash4j.hashing.Hasher64;
import com.dynatrace.hash4j.hashing.Hashing;
import java.lang.foreign.MemorySegment;

/// XXH3 of hash4j, for hosts without libxxhash: about a third of its speed.
final class JavaXxh3 implements Xxh3.Implementation {
    private static final Hasher64 HASHER_64 = Hashing.xxh3_64();

    private static final ByteAccess<MemorySegment> ACCESS = ByteAccess.forMemorySegment(MemorySegment.class);

    // A hasher is bound to its seed and costs a table; one image uses one seed.
    private volatile Seeded last = new Seeded(0, Hashing.xxh3_128());

    private record Seeded(long seed, Hasher128 hasher) {}

    @Override
    public long hash64(MemorySegment bytes) {
        return HASHER_64.hashBytesToLong(bytes, 0, bytes.byteSize(), ACCESS);
    }

    @Override
    public void hash128(MemorySegment bytes, long seed, Hash128 into) {
        HashValue128 hash = hasher(seed).hashBytesTo128Bits(bytes, 0, bytes.byteSize(), ACCESS);
        into.set(hash.getLeastSignificantBits(), hash.getMostSignificantBits());
    }

    @Override
    public String toString() {
        return "hash4j";
    }

    private Hasher128 hasher(long seed) {
        Seeded seeded = last;
        if (seeded.seed != seed) {
            seeded = new Seeded(seed, Hashing.xxh3_128(seed));
            last = seeded;
        }
        return seeded.hasher;
    }
}
