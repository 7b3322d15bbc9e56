package dev.dormouse.index;

/// What a layer holds, in 128 bits: the sum over all blocks of a mix of block number and hash, so that
/// a changed block is taken out and put in without reading the others. Equal for equal content, however it
/// came to be. It finds changes, not forgery. Immutable.
///
/// Zero blocks do not count: a layer that hides blocks below it by zeros has the digest of one that does
/// not touch them.
public record ContentDigest(long low, long high) {
    static final ContentDigest EMPTY = new ContentDigest(0, 0);
    private static final long GOLDEN = 0x9e3779b97f4a7c15L;

    ContentDigest with(long block, long hash) {
        return new ContentDigest(low + mixLow(block, hash), high + mixHigh(block, hash));
    }

    static long mixLow(long block, long hash) {
        return mix(hash ^ mix(block + GOLDEN));
    }

    static long mixHigh(long block, long hash) {
        return mix(Long.rotateLeft(hash, 32) + mix(block * GOLDEN + 1));
    }

    /// The finaliser of SplitMix64.
    private static long mix(long value) {
        long mixed = (value ^ (value >>> 30)) * 0xbf58476d1ce4e5b9L;
        mixed = (mixed ^ (mixed >>> 27)) * 0x94d049bb133111ebL;
        return mixed ^ (mixed >>> 31);
    }

    @Override
    public String toString() {
        return "%016x%016x".formatted(high, low);
    }
}
