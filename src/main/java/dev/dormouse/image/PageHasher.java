package dev.dormouse.image;

import dev.dormouse.storage.Hash128;
import dev.dormouse.storage.Xxh3;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Computes what an [ImageWriter] must know of a page, apart from it, so that many threads can: a hasher
/// for each, made by [ImageWriter#newHasher]. It carries the image's secret key, which no method hands out.
public final class PageHasher {
    private static final MemorySegment ZERO_PAGE = Arena.global().allocate(ImageFormat.PAGE_BYTES, 64);

    private final long seed;
    private final Hash128 hash = new Hash128();

    PageHasher(long seed) {
        this.seed = seed;
    }

    /// {@return whether all of the page's bytes are zero}
    public static boolean isZero(MemorySegment page) {
        return page.mismatch(ZERO_PAGE) < 0;
    }

    /// @param page 4096 bytes that nobody changes meanwhile
    public PageHash hash(MemorySegment page) {
        Xxh3.hash128(page, seed, hash);
        return new PageHash(Xxh3.hash64(page), hash.low(), hash.high());
    }
}
