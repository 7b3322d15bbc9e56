package dev.dormouse.bench;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/// Free memory of a host that is itself a virtual machine. Such a host may give what is free back to the one below
/// it (free page reporting, a balloon) and pays for it when it is used again: 0.2 GB/s was seen where 4 KiB pages
/// came anew, 0.55 GB/s for huge ones, 12 GB/s right after. A restore is little but new pages, so without care a
/// bench would measure whose turn it was to bring them in.
final class HostMemory {
    private static final double READY_GB_PER_SECOND = 4;
    private static final int PASSES_MAX = 4;
    /// Of what the host calls available, so much is left alone.
    private static final long SPARE_BYTES = 2L << 30;

    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    private static final int MADV_HUGEPAGE = 14;
    private static final int HUGE_BYTES = 2 << 20;

    private static final MethodHandle MMAP =
            bind("mmap", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MUNMAP = bind("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle MADVISE =
            bind("madvise", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));

    private HostMemory() {}

    /// Uses so much free memory and frees it again, until it comes at the speed of memory or will not.
    ///
    /// @return gigabytes a second of the last pass: how ready the host's memory is
    static double bringIn(long bytes) throws IOException {
        long possible = Math.min(bytes, availableBytes() - SPARE_BYTES) / HUGE_BYTES * HUGE_BYTES;
        double rate = 0;
        for (int pass = 0; pass < PASSES_MAX && possible > 0 && rate < READY_GB_PER_SECOND; pass++) {
            rate = use(possible);
        }
        return rate;
    }

    private static double use(long bytes) {
        try {
            var memory = (MemorySegment)
                    MMAP.invokeExact(MemorySegment.NULL, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
            if (memory.address() == -1) {
                return 0;
            }
            int _ = (int) MADVISE.invokeExact(memory, bytes, MADV_HUGEPAGE); // Small pages will do, too.
            MemorySegment all = memory.reinterpret(bytes);
            long start = System.nanoTime();
            for (long at = 0; at < bytes; at += 4096) {
                all.set(JAVA_BYTE, at, (byte) 1);
            }
            double rate = bytes / (double) (System.nanoTime() - start);
            int _ = (int) MUNMAP.invokeExact(memory, bytes);
            return rate;
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static long availableBytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/meminfo")).stream()
                .filter(line -> line.startsWith("MemAvailable:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")) << 10)
                .findFirst()
                .orElse(0);
    }

    private static MethodHandle bind(String name, FunctionDescriptor descriptor) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), descriptor);
    }
}
