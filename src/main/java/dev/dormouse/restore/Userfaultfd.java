package dev.dormouse.restore;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.base.RamBlock;
import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/// QEMU's own userfaultfd, borrowed (`pidfd_getfd`), through which pages are put into its memory from
/// here: atomically, many in a call, waking whoever waits for them. Reading the events stays QEMU's.
/// Owned by one thread.
final class Userfaultfd implements AutoCloseable {
    private static final long UFFDIO_COPY = 0xC028AA03L;
    private static final long UFFDIO_WAKE = 0x8010AA02L;
    private static final long UFFDIO_ZEROPAGE = 0xC020AA04L;
    private static final int COPIED = 32; // Offset of uffdio_copy.copy.
    private static final int ZEROED = 24; // Offset of uffdio_zeropage.zeropage.

    private final int descriptor;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment request = arena.allocate(40, 8);

    private final boolean recovering;

    private Userfaultfd(int descriptor, boolean recovering) {
        this.descriptor = descriptor;
        this.recovering = recovering;
    }

    /// Borrows the descriptor of a QEMU that listens for postcopy.
    ///
    /// @throws RestoreException if it is not permitted, or QEMU has none
    static Userfaultfd borrow(long pid) throws IOException {
        return borrow(pid, false);
    }

    /// As [#borrow(long)], where another page server may have placed any page: one that is there already
    /// was placed by it, so whoever waits for it is woken and all is well.
    static Userfaultfd borrowForRecovery(long pid) throws IOException {
        return borrow(pid, true);
    }

    /// Finds out whether descriptors of the process may be borrowed, before there is one that counts.
    ///
    /// @throws RestoreException if not
    static void checkPermitted(long pid) throws RestoreException {
        Libc.close(duplicate(pid, 0)); // Its standard input, which every QEMU of ours has.
    }

    private static Userfaultfd borrow(long pid, boolean recovering) throws IOException {
        return new Userfaultfd(duplicate(pid, find(pid)), recovering);
    }

    private static int duplicate(long pid, int number) throws RestoreException {
        int pidfd = Libc.pidfdOpen(pid);
        if (pidfd < 0) {
            throw new RestoreException("process " + pid + ": cannot be opened: " + Libc.message(-pidfd));
        }
        try {
            int descriptor = Libc.pidfdGetfd(pidfd, number);
            if (descriptor < 0) {
                throw new RestoreException(
                        "process %d: its descriptors cannot be borrowed: %s; the right to ptrace it is needed"
                                .formatted(pid, Libc.message(-descriptor)));
            }
            return descriptor;
        } finally {
            Libc.close(pidfd);
        }
    }

    private static int find(long pid) throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/" + pid + "/fd"))) {
            for (Path file : (Iterable<Path>) descriptors::iterator) {
                if (isUserfaultfd(file)) {
                    return Integer.parseInt(file.getFileName().toString());
                }
            }
        } catch (AccessDeniedException e) {
            throw new RestoreException(
                    "process %d: its descriptors cannot be seen; the right to ptrace it is needed".formatted(pid), e);
        }
        throw new RestoreException("process " + pid + ": has no userfaultfd");
    }

    private static boolean isUserfaultfd(Path file) {
        try {
            return Files.readSymbolicLink(file).toString().contains("[userfaultfd]");
        } catch (IOException _) {
            return false; // Closed since it was listed.
        }
    }

    /// Places pages that are missing.
    ///
    /// @param address of the first page in QEMU
    /// @param pages direct buffer, whole pages between position and limit
    /// @throws NotPlacedException if the host has no memory for all of them
    /// @throws RestoreException if one of them is there already: something else has put it there, with
    ///     what content nobody knows
    void copy(long address, ByteBuffer pages) throws RestoreException, NotPlacedException {
        long source = MemorySegment.ofBuffer(pages).address();
        long lengthBytes = pages.remaining();
        long done = 0;
        while (done < lengthBytes) {
            request.set(JAVA_LONG, 0, address + done);
            request.set(JAVA_LONG, 8, source + done);
            request.set(JAVA_LONG, 16, lengthBytes - done);
            request.set(JAVA_LONG, 24, 0);
            request.set(JAVA_LONG, COPIED, 0);
            done += perform(UFFDIO_COPY, COPIED, lengthBytes - done, address + done, done);
        }
    }

    /// Places a page unless it is there; wakes whoever waits for it in either case.
    ///
    /// @return whether it was missing
    boolean copyIfMissing(long address, ByteBuffer page) throws RestoreException, NotPlacedException {
        while (true) {
            request.set(JAVA_LONG, 0, address);
            request.set(JAVA_LONG, 8, MemorySegment.ofBuffer(page).address());
            request.set(JAVA_LONG, 16, RamBlock.TARGET_PAGE_BYTES);
            request.set(JAVA_LONG, 24, 0);
            request.set(JAVA_LONG, COPIED, 0);
            int result = Libc.ioctl(descriptor, UFFDIO_COPY, request);
            if (result >= 0) {
                return true;
            }
            if (result == -Libc.EEXIST) {
                wake(address);
                return false;
            }
            if (result != -Libc.EAGAIN) {
                throw refused(address, result, 0);
            }
        }
    }

    /// Places pages of zeros that are missing; errors as with [#copy].
    void zero(long address, long lengthBytes) throws RestoreException, NotPlacedException {
        long done = 0;
        while (done < lengthBytes) {
            request.set(JAVA_LONG, 0, address + done);
            request.set(JAVA_LONG, 8, lengthBytes - done);
            request.set(JAVA_LONG, 16, 0);
            request.set(JAVA_LONG, ZEROED, 0);
            done += perform(UFFDIO_ZEROPAGE, ZEROED, lengthBytes - done, address + done, done);
        }
    }

    /// {@return the bytes that were placed, all of them or (when QEMU's address space is being changed just
    /// now) fewer}
    private long perform(long call, int resultOffset, long wanted, long address, long doneBytes)
            throws RestoreException, NotPlacedException {
        int result = Libc.ioctl(descriptor, call, request);
        if (result >= 0) {
            return wanted;
        }
        if (result == -Libc.EEXIST && recovering) {
            // The call stops at the first page that is there; the ones before it are done.
            long before = Math.max(0, request.get(JAVA_LONG, resultOffset));
            wake(address + before);
            return before + RamBlock.TARGET_PAGE_BYTES;
        }
        if (result != -Libc.EAGAIN) {
            throw refused(address, result, doneBytes);
        }
        return Math.max(0, request.get(JAVA_LONG, resultOffset));
    }

    /// {@return an error that is final}
    ///
    /// @throws NotPlacedException if it is not
    private static RestoreException refused(long address, int result, long doneBytes) throws NotPlacedException {
        String what =
                "guest memory at %#x of QEMU: a page cannot be placed: %s".formatted(address, Libc.message(-result));
        if (result == -Libc.ENOMEM) {
            throw new NotPlacedException(
                    what + "; free some memory of the host", (int) (doneBytes / RamBlock.TARGET_PAGE_BYTES));
        }
        return new RestoreException(what);
    }

    private void wake(long address) throws RestoreException {
        request.set(JAVA_LONG, 0, address);
        request.set(JAVA_LONG, 8, RamBlock.TARGET_PAGE_BYTES);
        int result = Libc.ioctl(descriptor, UFFDIO_WAKE, request);
        if (result < 0) {
            throw new RestoreException("guest memory at %#x of QEMU: who waits for it cannot be woken: %s"
                    .formatted(address, Libc.message(-result)));
        }
    }

    @Override
    public void close() {
        Libc.close(descriptor);
        arena.close();
    }
}
