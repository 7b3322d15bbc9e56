package dev.dormouse.restore;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import java.io.IOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.invoke.MethodHandle;

/// Memory of this very process, an area for each block as in QEMU. A page on each side of an area is of another kind,
/// so that the kernel does not join two of them.
final class MappedAreas implements AutoCloseable {
    private static final int PROT_READ = 1;
    private static final int PROT_READ_WRITE = 3;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_SHARED = 1;
    private static final int MAP_PRIVATE = 2;
    private static final int MADV_DONTFORK = 10;
    private static final int MADV_HUGEPAGE = 14;
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;

    private static final MethodHandle MMAP = bind(
            "mmap", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MUNMAP = bind("munmap", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle MPROTECT =
            bind("mprotect", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle MADVISE =
            bind("madvise", FunctionDescriptor.of(JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));

    private final RamLayout layout;
    private final long[] addresses;

    /// @param shared whether others could share the memory
    MappedAreas(RamLayout layout, boolean shared) throws Throwable {
        this.layout = layout;
        addresses = new long[layout.blocks().size()];
        int flags = MAP_ANONYMOUS | (shared ? MAP_SHARED : MAP_PRIVATE);
        for (int i = 0; i < addresses.length; i++) {
            long mapped = (long) MMAP.invokeExact(0L, lengthBytes(i) + 2 * PAGE, PROT_READ_WRITE, flags, -1, 0L);
            if (mapped == -1) {
                throw new AssertionError("mmap");
            }
            addresses[i] = mapped + PAGE;
        }
    }

    /// {@return areas as QEMU has them before it listens for postcopy}
    static MappedAreas unregistered(RamLayout layout) throws Throwable {
        var areas = new MappedAreas(layout, false);
        for (int i = 0; i < areas.addresses.length; i++) {
            areas.advise(areas.addresses[i], areas.lengthBytes(i), MADV_DONTFORK);
            areas.advise(areas.addresses[i], areas.lengthBytes(i), MADV_HUGEPAGE);
        }
        return areas;
    }

    /// Nobody can write to that page any more.
    void forbidWrites(long frame) throws Throwable {
        if ((int) MPROTECT.invokeExact(address(frame), (long) PAGE, PROT_READ) != 0) {
            throw new AssertionError("mprotect");
        }
    }

    long lengthBytes(int block) {
        return layout.blocks().get(block).lengthBytes();
    }

    long address(long frame) {
        return addresses[layout.blockIndex(frame)] + layout.offset(frame);
    }

    void advise(long address, long lengthBytes, int advice) throws Throwable {
        if ((int) MADVISE.invokeExact(address, lengthBytes, advice) != 0) {
            throw new AssertionError("madvise");
        }
    }

    @Override
    public void close() throws IOException {
        try {
            for (int i = 0; i < addresses.length; i++) {
                if ((int) MUNMAP.invokeExact(addresses[i] - PAGE, lengthBytes(i) + 2 * PAGE) != 0) {
                    throw new AssertionError("munmap");
                }
            }
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    static MethodHandle bind(String name, FunctionDescriptor descriptor) {
        Linker linker = Linker.nativeLinker();
        return linker.downcallHandle(linker.defaultLookup().findOrThrow(name), descriptor);
    }
}
