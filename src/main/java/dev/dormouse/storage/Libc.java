package dev.dormouse.storage;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.AddressLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// The system calls that the JDK has no door to. Each returns what the call returned, or `-errno`.
/// Stateless; any thread.
public final class Libc {
    static final int O_RDONLY = 0;
    static final int O_WRONLY = 1;
    static final int O_RDWR = 2;
    static final int O_CLOEXEC = 0x80000;
    static final int F_OFD_GETLK = 36;
    static final int F_OFD_SETLK = 37;
    static final int SEEK_END = 2;
    static final int SEEK_DATA = 3;
    static final int SEEK_HOLE = 4;
    static final int SYNC_FILE_RANGE_WRITE = 2;
    static final int POSIX_FADV_WILLNEED = 3;
    static final int EINTR = 4;
    static final int ENXIO = 6;
    private static final long SYS_SETPRIORITY = 141; // Of x86-64, as the others.
    private static final long SYS_IOPRIO_SET = 251;
    private static final long PRIO_PROCESS = 0;
    private static final int NICE_MAX = 19;
    private static final long IOPRIO_WHO_PROCESS = 1;
    private static final long IOPRIO_CLASS_IDLE = 3;
    private static final long SYS_PIDFD_OPEN = 434;
    private static final long SYS_PIDFD_GETFD = 438;
    private static final long SYS_PROCESS_MADVISE = 440;
    private static final long SYS_CLOCK_GETTIME = 228;
    private static final long MADV_COLLAPSE = 25;
    public static final int EAGAIN = 11;
    public static final int EEXIST = 17;
    public static final int ENOMEM = 12;
    static final int EACCES = 13;
    private static final int ENAMETOOLONG = 36;
    private static final int AF_UNIX = 1;
    private static final int SOCK_DGRAM = 2;
    private static final int SOCK_CLOEXEC = 0x80000;
    private static final int MSG_DONTWAIT = 0x40;
    private static final int SOCKET_PATH_BYTES = 108;

    private static final Linker LINKER = Linker.nativeLinker();
    private static final StructLayout CAPTURE = Linker.Option.captureStateLayout();
    private static final VarHandle ERRNO =
            CAPTURE.varHandle(java.lang.foreign.MemoryLayout.PathElement.groupElement("errno"));
    private static final ThreadLocal<MemorySegment> CAPTURED =
            ThreadLocal.withInitial(() -> Arena.ofAuto().allocate(CAPTURE));

    // open and fcntl are variadic: the arguments after the dots may be passed differently.
    private static final MethodHandle OPEN =
            bind("open", FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_INT), Linker.Option.firstVariadicArg(2));
    private static final MethodHandle CLOSE = bind("close", FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle FCNTL = bind(
            "fcntl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS), Linker.Option.firstVariadicArg(2));
    private static final MethodHandle PREAD =
            bind("pread", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_LONG));
    private static final MethodHandle POSIX_FADVISE = LINKER.downcallHandle(
            LINKER.defaultLookup().findOrThrow("posix_fadvise"),
            FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT)); // Returns its errno.
    private static final MethodHandle LSEEK =
            bind("lseek", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT));
    private static final MethodHandle SYNC_FILE_RANGE =
            bind("sync_file_range", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, JAVA_LONG, JAVA_INT));
    private static final MethodHandle IOCTL = bind(
            "ioctl", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_LONG, ADDRESS), Linker.Option.firstVariadicArg(2));
    private static final MethodHandle SYSCALL = bind(
            "syscall",
            FunctionDescriptor.of(JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG),
            Linker.Option.firstVariadicArg(1));
    private static final FunctionDescriptor PROCESS_VM =
            FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, ADDRESS, JAVA_LONG, JAVA_LONG);
    private static final MethodHandle PROCESS_VM_READV = bind("process_vm_readv", PROCESS_VM);
    private static final MethodHandle PROCESS_VM_WRITEV = bind("process_vm_writev", PROCESS_VM);
    private static final MethodHandle UMASK = LINKER.downcallHandle(
            LINKER.defaultLookup().findOrThrow("umask"), FunctionDescriptor.of(JAVA_INT, JAVA_INT));
    private static final MethodHandle SOCKET =
            bind("socket", FunctionDescriptor.of(JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT));
    private static final MethodHandle SENDTO =
            bind("sendto", FunctionDescriptor.of(JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_INT));
    private static final MethodHandle STRERROR = LINKER.downcallHandle(
            LINKER.defaultLookup().findOrThrow("strerror"), FunctionDescriptor.of(unboundedString(), JAVA_INT));

    private Libc() {}

    static int open(Path file, int flags) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = arena.allocateFrom(file.toString());
            MemorySegment captured = CAPTURED.get();
            int result = (int) OPEN.invokeExact(captured, name, flags | O_CLOEXEC);
            return result >= 0 ? result : -errno(captured);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    public static void close(int descriptor) {
        try {
            // On Linux the descriptor is gone whatever close returns; a retry could hit another file.
            int _ = (int) CLOSE.invokeExact(CAPTURED.get(), descriptor);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int fcntl(int descriptor, int command, MemorySegment argument) {
        try {
            MemorySegment captured = CAPTURED.get();
            int result = (int) FCNTL.invokeExact(captured, descriptor, command, argument);
            return result >= 0 ? result : -errno(captured);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static long pread(int descriptor, MemorySegment into, long lengthBytes, long position) {
        try {
            MemorySegment captured = CAPTURED.get();
            long result = (long) PREAD.invokeExact(captured, descriptor, into, lengthBytes, position);
            return result >= 0 ? result : -errno(captured);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// A hint about a part of a file.
    static void fadvise(int descriptor, long position, long lengthBytes, int advice) {
        try {
            int _ = (int) POSIX_FADVISE.invokeExact(descriptor, position, lengthBytes, advice);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    public static int ioctl(int descriptor, long request, MemorySegment argument) {
        try {
            MemorySegment captured = CAPTURED.get();
            int result = (int) IOCTL.invokeExact(captured, descriptor, request, argument);
            return result >= 0 ? result : -errno(captured);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// {@return a descriptor of the process, for [#pidfdGetfd]}
    public static int pidfdOpen(long pid) {
        return systemCall(SYS_PIDFD_OPEN, pid, 0, 0);
    }

    /// {@return a duplicate of another process's descriptor; needs the right to ptrace that process}
    public static int pidfdGetfd(int pidfd, int descriptor) {
        return systemCall(SYS_PIDFD_GETFD, pidfd, descriptor, 0);
    }

    /// Has the kernel put memory of another process into huge pages, while that process runs.
    ///
    /// @param address a multiple of the size of a huge page, as is the length
    /// @return the bytes that were looked at
    public static int collapse(int pidfd, long address, long lengthBytes) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment range = arena.allocate(2 * JAVA_LONG.byteSize(), JAVA_LONG.byteAlignment()); // struct iovec
            range.setAtIndex(JAVA_LONG, 0, address);
            range.setAtIndex(JAVA_LONG, 1, lengthBytes);
            return systemCall(SYS_PROCESS_MADVISE, pidfd, range.address(), 1, MADV_COLLAPSE, 0);
        }
    }

    /// Copies memory of another process; needs the right to ptrace it.
    ///
    /// @param here an array of `struct iovec`, of memory that must stay while this runs
    /// @param there the same of the other process's memory, as long in all
    /// @return the bytes that were copied, maybe fewer, or the negative errno
    public static long readProcess(long pid, MemorySegment here, MemorySegment there) {
        return copyProcess(PROCESS_VM_READV, pid, here, there);
    }

    /// Copies memory into another process; see [#readProcess].
    public static long writeProcess(long pid, MemorySegment here, MemorySegment there) {
        return copyProcess(PROCESS_VM_WRITEV, pid, here, there);
    }

    private static long copyProcess(MethodHandle call, long pid, MemorySegment here, MemorySegment there) {
        try {
            MemorySegment captured = CAPTURED.get();
            long result =
                    (long) call.invokeExact(captured, (int) pid, here, iovecCount(here), there, iovecCount(there), 0L);
            return result >= 0 ? result : -errno(captured);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static long iovecCount(MemorySegment vector) {
        return vector.byteSize() / (2 * JAVA_LONG.byteSize());
    }

    /// Sets how willingly the calling thread leaves the processor to others.
    ///
    /// @param nice 0 to 19, 19 the most
    public static int setThreadNice(int nice) {
        return systemCall(SYS_SETPRIORITY, PRIO_PROCESS, 0, nice); // Of the calling thread: on Linux each has its own.
    }

    /// {@return the time for which a process has had processors so far, in nanoseconds, or `-errno`}
    public static long processorNanos(long pid) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment time = arena.allocate(2 * JAVA_LONG.byteSize(), JAVA_LONG.byteAlignment()); // timespec
            // Linux counts the clocks of processes by their pids, inverted, with the kind in the low bits.
            int result = systemCall(SYS_CLOCK_GETTIME, (~pid << 3) | 2, time.address(), 0);
            return result < 0 ? result : time.getAtIndex(JAVA_LONG, 0) * 1_000_000_000 + time.getAtIndex(JAVA_LONG, 1);
        }
    }

    /// Has this thread, and those that it starts from now on, use the processor and the disk only when nobody
    /// else wants to. Nothing is said where that cannot be had: it is no more than politeness.
    public static void workInTheBackground() {
        setThreadNice(NICE_MAX);
        systemCall(SYS_IOPRIO_SET, IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE << 13);
    }

    private static int systemCall(long number, long first, long second, long third) {
        return systemCall(number, first, second, third, 0, 0);
    }

    private static int systemCall(long number, long first, long second, long third, long fourth, long fifth) {
        try {
            MemorySegment captured = CAPTURED.get();
            long result = (long) SYSCALL.invokeExact(captured, number, first, second, third, fourth, fifth);
            return result >= 0 ? (int) result : -errno(captured);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static long seekEnd(int descriptor) {
        return seek(descriptor, 0, SEEK_END);
    }

    static long seek(int descriptor, long offset, int whence) {
        try {
            MemorySegment captured = CAPTURED.get();
            long result = (long) LSEEK.invokeExact(captured, descriptor, offset, whence);
            return result >= 0 ? result : -errno(captured);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    static int syncFileRange(int descriptor, long offset, long lengthBytes, int flags) {
        try {
            MemorySegment captured = CAPTURED.get();
            int result = (int) SYNC_FILE_RANGE.invokeExact(captured, descriptor, offset, lengthBytes, flags);
            return result >= 0 ? result : -errno(captured);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Sets the rights that no new file of this process, or of those that it starts, gets.
    static void umask(int mask) {
        try {
            int _ = (int) UMASK.invokeExact(mask);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// {@return what the C library calls the error}
    public static String message(int errno) {
        try {
            MemorySegment text = (MemorySegment) STRERROR.invokeExact(errno);
            return text.getString(0);
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    /// Sends one datagram to a unix socket, which the JDK cannot. Does not wait.
    ///
    /// @param address its path; one that begins with `@` is a name in the abstract name space
    /// @return the number of bytes sent
    public static int sendToUnixSocket(String address, byte[] bytes) {
        byte[] path = address.getBytes(StandardCharsets.UTF_8);
        if (path.length == 0 || path.length >= SOCKET_PATH_BYTES) {
            return -ENAMETOOLONG;
        }
        if (path[0] == '@') {
            path[0] = 0;
        }
        MemorySegment captured = CAPTURED.get();
        try (Arena arena = Arena.ofConfined()) {
            int socket = (int) SOCKET.invokeExact(captured, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
            if (socket < 0) {
                return -errno(captured);
            }
            MemorySegment to = arena.allocate(2 + path.length + 1L, 2);
            to.set(java.lang.foreign.ValueLayout.JAVA_SHORT, 0, (short) AF_UNIX);
            MemorySegment.copy(MemorySegment.ofArray(path), 0, to, 2, path.length);
            // The name of an abstract socket is as long as it is said to be; a path ends with a zero.
            int length = 2 + path.length + (path[0] == 0 ? 0 : 1);
            MemorySegment data = arena.allocateFrom(java.lang.foreign.ValueLayout.JAVA_BYTE, bytes);
            long sent =
                    (long) SENDTO.invokeExact(captured, socket, data, (long) bytes.length, MSG_DONTWAIT, to, length);
            int error = errno(captured);
            close(socket);
            return sent < 0 ? -error : (int) sent;
        } catch (Throwable e) {
            throw unexpected(e);
        }
    }

    private static int errno(MemorySegment captured) {
        return (int) ERRNO.get(captured, 0L);
    }

    private static MethodHandle bind(String name, FunctionDescriptor descriptor, Linker.Option... options) {
        Linker.Option[] all = java.util.Arrays.copyOf(options, options.length + 1);
        all[options.length] = Linker.Option.captureCallState("errno");
        return LINKER.downcallHandle(LINKER.defaultLookup().findOrThrow(name), descriptor, all);
    }

    private static AddressLayout unboundedString() {
        return ADDRESS.withTargetLayout(
                java.lang.foreign.MemoryLayout.sequenceLayout(Long.MAX_VALUE, java.lang.foreign.ValueLayout.JAVA_BYTE));
    }

    private static IllegalStateException unexpected(Throwable e) {
        if (e instanceof Error error) {
            throw error;
        }
        return new IllegalStateException("a call into the C library failed in the JVM", e);
    }
}
