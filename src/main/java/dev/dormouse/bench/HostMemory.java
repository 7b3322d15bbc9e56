package dev.dormouse.bench;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;

/// Free memory of a host that is itself a virtual machine. Such a host may give what is free back to the one below
/// it (free page reporting, a balloon) and pays for it when it is used again: 0.2 GB/s was seen where 4 KiB pages
/// came anew, 0.55 GB/s for huge ones, 12 GB/s right after. A restore is little but new pages, so without care a
/// bench would measure whose turn it was to bring them in. Giving it back stops the host for up to seconds, too, and it
/// does so every two seconds with what was freed since; so memory is freed no sooner than a restore takes it.
final class HostMemory {
    /// Of what the host calls available, so much is left alone.
    private static final long SPARE_BYTES = 2L << 30;

    private static final long STEP_BYTES = 32L << 20;
    /// What is free at a time: used up in less than the two seconds after which the host gives it back.
    private static final long AHEAD_BYTES = 128L << 20;

    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_PRIVATE_ANONYMOUS = 0x22;
    private static final int MADV_HUGEPAGE = 14;

    /// Of `struct sysinfo`: its size, and where `freeram` and `mem_unit` are in it.
    static final int SYSINFO_BYTES = 112;
    private static final int SYSINFO_FREE = 40;
    private static final int SYSINFO_UNIT = 104;

    private static final MethodHandle SYSINFO = bind("sysinfo", FunctionDescriptor.of(JAVA_INT, ADDRESS));
    private static final MethodHandle MMAP =
            bind("mmap", FunctionDescriptor.of(ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MUNMAP = bind("munmap", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle MADVISE =
            bind("madvise", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));

    private HostMemory() {}

    /// Keeps so much memory in use, so that the host below cannot take it back, and frees it step by step as the
    /// restore needs it.
    static Reserve hold(long bytes) throws IOException {
        long possible = Math.min(bytes, availableBytes() - SPARE_BYTES) / STEP_BYTES * STEP_BYTES;
        return new Reserve(Math.max(possible, STEP_BYTES));
    }

    /// Memory that is held, and freed so that a little more is free than has been used since. Closing frees the rest.
    static final class Reserve implements AutoCloseable {
        /// In this time a restore uses less than what is free ahead of it; each look takes time from the guest.
        private static final long POLL_MILLIS = 25;
        private final MemorySegment memory;
        private final double gigabytesPerSecond;
        private final Thread thread;
        private volatile boolean closed;

        private Reserve(long bytes) {
            memory = map(bytes);
            long start = System.nanoTime();
            touch(memory);
            gigabytesPerSecond = bytes / (double) (System.nanoTime() - start);
            thread = Thread.ofPlatform().daemon().name("host-memory").start(this::release);
        }

        /// {@return how fast the memory came: of what is new to the host below, and is never in the time of a restore}
        double gigabytesPerSecond() {
            return gigabytesPerSecond;
        }

        private void release() {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment info = arena.allocate(SYSINFO_BYTES, Long.BYTES);
                long freeBefore = freeBytes(info);
                long released = 0;
                while (!closed && released < memory.byteSize()) {
                    long used = freeBefore + released - freeBytes(info);
                    while (released < memory.byteSize() && released < used + AHEAD_BYTES) {
                        unmap(memory.asSlice(released, STEP_BYTES));
                        released += STEP_BYTES;
                    }
                    Thread.sleep(POLL_MILLIS);
                }
                if (released < memory.byteSize()) {
                    unmap(memory.asSlice(released));
                }
            } catch (InterruptedException e) {
                throw new IllegalStateException("the host's memory cannot be held", e);
            }
        }

        @Override
        public void close() {
            closed = true;
            try {
                thread.join();
            } catch (InterruptedException _) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static MemorySegment map(long bytes) {
        try {
            var memory = (MemorySegment)
                    MMAP.invokeExact(MemorySegment.NULL, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0L);
            if (memory.address() == -1) {
                throw new IllegalStateException("the host has no " + bytes + " bytes of memory to be used beforehand");
            }
            int _ = (int) MADVISE.invokeExact(memory, bytes, MADV_HUGEPAGE); // Small pages will do, too.
            return memory.reinterpret(bytes);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    private static void touch(MemorySegment memory) {
        for (long at = 0; at < memory.byteSize(); at += 4096) {
            memory.set(JAVA_BYTE, at, (byte) 1);
        }
    }

    private static void unmap(MemorySegment memory) {
        try {
            int _ = (int) MUNMAP.invokeExact(memory, memory.byteSize());
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }

    /// A call of a few microseconds, where `/proc/meminfo` is text of fifty lines.
    ///
    /// @param info for what the kernel says
    static long freeBytes(MemorySegment info) {
        try {
            int _ = (int) SYSINFO.invokeExact(info);
            return info.get(JAVA_LONG, SYSINFO_FREE) * Integer.toUnsignedLong(info.get(JAVA_INT, SYSINFO_UNIT));
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
