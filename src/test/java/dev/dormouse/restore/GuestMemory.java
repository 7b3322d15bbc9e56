package dev.dormouse.restore;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;

/// Memory of this very process, registered with a userfaultfd as QEMU registers that of its guest: an area
/// for each block. Whoever touches a page that is missing waits for it, so nobody does but [#touch].
final class GuestMemory implements AutoCloseable {
    private static final long SYS_USERFAULTFD = 323;
    private static final int O_CLOEXEC_NONBLOCK = 0x80800;
    private static final long UFFDIO_API = 0xC018AA3FL;
    private static final long UFFDIO_REGISTER = 0xC020AA00L;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_REMOVE = 9;
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;

    private static final MethodHandle SYSCALL =
            MappedAreas.bind("syscall", FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle READ =
            MappedAreas.bind("read", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG));
    private static final MethodHandle COPY =
            MappedAreas.bind("memcpy", FunctionDescriptor.of(JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG));

    private final boolean shared;
    private final MappedAreas areas;
    private final int userfaultfd;
    private final Arena arena = Arena.ofShared();
    private final PresentPages present;

    GuestMemory(RamLayout layout, boolean shared) throws Throwable {
        this.shared = shared;
        userfaultfd = (int) (long) SYSCALL.invokeExact(SYS_USERFAULTFD, (long) O_CLOEXEC_NONBLOCK);
        Assumptions.assumeTrue(userfaultfd >= 0, "userfaultfd is not permitted here");
        MemorySegment api = arena.allocate(24, 8);
        api.set(JAVA_LONG, 0, 0xAA);
        check(Libc.ioctl(userfaultfd, UFFDIO_API, api));
        areas = new MappedAreas(layout, shared);
        for (int i = 0; i < layout.blocks().size(); i++) {
            register(areas.address(layout.firstFrame(i)), areas.lengthBytes(i));
        }
        present = new PresentPages(ProcessHandle.current().pid());
    }

    private void register(long address, long lengthBytes) throws Throwable {
        MemorySegment register = arena.allocate(32, 8);
        register.set(JAVA_LONG, 0, address);
        register.set(JAVA_LONG, 8, lengthBytes);
        register.set(JAVA_LONG, 16, 1);
        check(Libc.ioctl(userfaultfd, UFFDIO_REGISTER, register));
    }

    long address(long frame) {
        return areas.address(frame);
    }

    /// {@return the page if it is there}
    Optional<byte[]> page(long frame) throws IOException {
        boolean[] there = {false};
        present.visit(address(frame), 1, (_, is) -> there[0] = is);
        return there[0]
                ? Optional.of(MemorySegment.ofAddress(address(frame))
                        .reinterpret(PAGE)
                        .toArray(JAVA_BYTE))
                : Optional.empty();
    }

    /// Takes the page away.
    void drop(long frame) throws Throwable {
        areas.advise(address(frame), PAGE, shared ? MADV_REMOVE : MADV_DONTNEED);
    }

    /// {@return the page, for which the calling thread waits if it is missing}. In a native call: a thread of
    /// Java proper would hold up the whole JVM.
    byte[] touch(long frame) throws Throwable {
        try (Arena local = Arena.ofConfined()) {
            MemorySegment copy = local.allocate(PAGE);
            long _ = (long) COPY.invokeExact(copy, address(frame), (long) PAGE);
            return copy.toArray(JAVA_BYTE);
        }
    }

    /// Waits until somebody waits for a page.
    void awaitFault() throws Throwable {
        MemorySegment event = arena.allocate(32, 8);
        while ((long) READ.invokeExact(userfaultfd, event, 32L) != 32) {
            Thread.sleep(1); // The tests have a time limit.
        }
    }

    @Override
    public void close() throws IOException {
        present.close();
        Libc.close(userfaultfd); // Whoever still waits gets zeros.
        areas.close();
        arena.close();
    }

    private static void check(int result) {
        if (result < 0) {
            throw new AssertionError("a system call of the test failed: " + result);
        }
    }
}
