package dev.dormouse.storage;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import org.jspecify.annotations.Nullable;

/// XXH3 of libxxhash. Prefers the symbols that choose AVX2 or AVX-512 at run time: the plain ones of
/// Debian's build know SSE2 only.
final class NativeXxh3 implements Xxh3.Implementation {
    private static final String LIBRARY = "libxxhash.so.0";
    private static final MemoryLayout HASH_128 = MemoryLayout.structLayout(JAVA_LONG, JAVA_LONG);

    private static final @Nullable SymbolLookup LOOKUP = lookup();
    private static final @Nullable MethodHandle HASH64 =
            bind("XXH3_64bits", FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG));
    private static final @Nullable MethodHandle HASH128_SEEDED =
            bind("XXH3_128bits_withSeed", FunctionDescriptor.of(HASH_128, ADDRESS, JAVA_LONG, JAVA_LONG));

    static boolean isAvailable() {
        return HASH64 != null && HASH128_SEEDED != null;
    }

    @Override
    public long hash64(MemorySegment bytes) {
        try {
            return (long) HASH64.invokeExact(bytes, bytes.byteSize());
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    @Override
    public void hash128(MemorySegment bytes, long seed, Hash128 into) {
        try {
            MemorySegment _ = (MemorySegment) HASH128_SEEDED.invokeExact(into.allocator, bytes, bytes.byteSize(), seed);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    @Override
    public String toString() {
        return LIBRARY;
    }

    private static @Nullable SymbolLookup lookup() {
        try {
            return SymbolLookup.libraryLookup(LIBRARY, Arena.global());
        } catch (IllegalArgumentException _) {
            return null; // Not installed: the Java code does it.
        }
    }

    private static @Nullable MethodHandle bind(String name, FunctionDescriptor descriptor) {
        if (LOOKUP == null) {
            return null;
        }
        // Critical: it neither blocks nor calls back, and heap buffers need no copy.
        return LOOKUP.find(name + "_dispatch")
                .or(() -> LOOKUP.find(name))
                .map(symbol -> Linker.nativeLinker().downcallHandle(symbol, descriptor, Linker.Option.critical(true)))
                .orElse(null);
    }

    private static IllegalStateException unexpected(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return new IllegalStateException("a call into " + LIBRARY + " failed in the JVM", e);
    }
}
