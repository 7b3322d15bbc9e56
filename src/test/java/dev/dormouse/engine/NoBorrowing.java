package dev.dormouse.engine;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// Has the kernel refuse `pidfd_getfd` to this process for the rest of its life, by a seccomp filter as
/// container runtimes install it; a Yama that restricts ptrace refuses it with the same error.
final class NoBorrowing {
    private static final long SYS_PRCTL = 157;
    private static final long SYS_SECCOMP = 317;
    private static final long SYS_PIDFD_GETFD = 438;
    private static final long PR_SET_NO_NEW_PRIVS = 38;
    private static final long LOAD_NUMBER = 0x20;
    private static final long SKIP_ONE_UNLESS_EQUAL = 0x0100_0015;
    private static final long RETURN = 0x06;
    private static final long EPERM = 0x0005_0001;
    private static final long ALLOW = 0x7fff_0000;

    private NoBorrowing() {}

    static void begin() {
        Linker linker = Linker.nativeLinker();
        MethodHandle syscall = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("syscall"),
                FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment program = arena.allocateFrom(
                    JAVA_LONG,
                    LOAD_NUMBER,
                    SKIP_ONE_UNLESS_EQUAL | SYS_PIDFD_GETFD << Integer.SIZE,
                    RETURN | EPERM << Integer.SIZE,
                    RETURN | ALLOW << Integer.SIZE);
            MemorySegment filter = arena.allocate(16, 8);
            filter.set(JAVA_SHORT, 0, (short) 4);
            filter.set(ADDRESS, 8, program);
            check((long) syscall.invokeExact(SYS_PRCTL, PR_SET_NO_NEW_PRIVS, 1L, MemorySegment.NULL, 0L, 0L));
            check((long) syscall.invokeExact(SYS_SECCOMP, 1L, 1L, filter, 0L, 0L)); // For all threads.
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    private static void check(long result) {
        if (result != 0) {
            throw new AssertionError("a system call of the test failed: " + result);
        }
    }
}
