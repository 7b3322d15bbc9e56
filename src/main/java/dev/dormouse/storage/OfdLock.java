package dev.dormouse.storage;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;

/// Locks on single bytes or ranges of a file that belong to an open file description
/// (`F_OFD_SETLK`), not to the process: closing another descriptor of the file does not drop them, as
/// it does with `FileChannel.lock`. Held until [#close] or the end of the process. Never waits.
///
/// QEMU speaks the same language: byte 100+n is read-locked by who uses permission n, byte 200+n by who
/// does not want others to use it (1 is writing, 3 is resizing).
public final class OfdLock implements AutoCloseable {
    private static final short F_RDLCK = 0;
    private static final short F_WRLCK = 1;
    private static final short F_UNLCK = 2;

    private static final long TO_THE_END = 0;

    private static final Range QEMU_WRITES = Range.ofByte(101);
    private static final Range QEMU_RESIZES = Range.ofByte(103);
    private static final Range NOBODY_WRITES = Range.ofByte(201);
    private static final Range NOBODY_RESIZES = Range.ofByte(203);

    private final int descriptor;
    private final AtomicBoolean closed = new AtomicBoolean();

    private OfdLock(int descriptor) {
        this.descriptor = descriptor;
    }

    /// Bytes of a file; they need not exist.
    ///
    /// @param lengthBytes 1 or more
    public record Range(long start, long lengthBytes) {
        public Range {
            if (start < 0 || lengthBytes < 1) {
                throw new IllegalArgumentException(
                        "range " + start + "+" + lengthBytes + ", start from 0 and length from 1 are allowed");
            }
        }

        public static Range ofByte(long position) {
            return new Range(position, 1);
        }
    }

    /// Locks all the ranges for reading, beside other readers; needs read permission for the file.
    ///
    /// @return empty if somebody holds one of them for writing
    public static Optional<OfdLock> tryShared(Path file, Range... ranges) throws StorageException {
        return tryLock(file, Libc.O_RDONLY, F_RDLCK, ranges);
    }

    /// Locks all the ranges for this one holder; needs write permission for the file.
    ///
    /// @return empty if somebody holds one of them in any way
    public static Optional<OfdLock> tryExclusive(Path file, Range... ranges) throws StorageException {
        return tryLock(file, Libc.O_RDWR, F_WRLCK, ranges);
    }

    /// Keeps every QEMU program from writing to or resizing the file, beside other holders and readers.
    ///
    /// @return empty if a QEMU program has it open for writing now
    public static Optional<OfdLock> tryFreeze(Path file) throws StorageException {
        Optional<OfdLock> lock = tryShared(file, NOBODY_WRITES, NOBODY_RESIZES);
        // Lock first, look then: QEMU does the same, so of two that start together at least one sees
        // the other.
        if (lock.isPresent() && lock.get().isHeldElsewhere(file, QEMU_WRITES, QEMU_RESIZES)) {
            lock.get().close();
            return Optional.empty();
        }
        return lock;
    }

    /// {@return whether somebody holds any of the ranges in any way}. Only looks: unlike an attempt to take
    /// the lock it never gets in the way of one who takes it at the same moment.
    public static boolean isHeld(Path file, Range... ranges) throws StorageException {
        int descriptor = Libc.open(file, Libc.O_RDONLY);
        if (descriptor < 0) {
            throw new StorageException(file, "cannot be opened to look at its locks: " + Libc.message(-descriptor));
        }
        try (var looking = new OfdLock(descriptor)) {
            return looking.isHeldElsewhere(file, ranges);
        }
    }

    /// Whether another holder has locked any of the ranges in any way.
    private boolean isHeldElsewhere(Path file, Range... ranges) throws StorageException {
        for (Range range : ranges) {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment request = flock(arena, F_WRLCK, range.start(), range.lengthBytes());
                int result = Libc.fcntl(descriptor, Libc.F_OFD_GETLK, request);
                if (result < 0) {
                    throw new StorageException(file, "its locks cannot be read: " + Libc.message(-result));
                }
                if (request.get(JAVA_SHORT, 0) != F_UNLCK) {
                    return true;
                }
            }
        }
        return false;
    }

    /// Lets go of the locks at once. Closing alone would not: a program that another thread starts at this moment
    /// has a copy of the descriptor until it executes.
    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            try (Arena arena = Arena.ofConfined()) {
                int _ = Libc.fcntl(descriptor, Libc.F_OFD_SETLK, flock(arena, F_UNLCK, 0, TO_THE_END));
            }
            Libc.close(descriptor);
        }
    }

    private static Optional<OfdLock> tryLock(Path file, int openFlags, short type, Range... ranges)
            throws StorageException {
        int descriptor = Libc.open(file, openFlags);
        if (descriptor < 0) {
            throw new StorageException(file, "cannot be opened to lock it: " + Libc.message(-descriptor));
        }
        var lock = new OfdLock(descriptor);
        boolean complete = false;
        try {
            complete = lock.acquire(file, type, ranges);
            return complete ? Optional.of(lock) : Optional.empty();
        } finally {
            if (!complete) {
                lock.close();
            }
        }
    }

    private boolean acquire(Path file, short type, Range... ranges) throws StorageException {
        for (Range range : ranges) {
            try (Arena arena = Arena.ofConfined()) {
                int result = Libc.fcntl(
                        descriptor, Libc.F_OFD_SETLK, flock(arena, type, range.start(), range.lengthBytes()));
                if (result == -Libc.EAGAIN || result == -Libc.EACCES) {
                    return false;
                }
                if (result < 0) {
                    throw new StorageException(file, "cannot be locked: " + Libc.message(-result));
                }
            }
        }
        return true;
    }

    /// `struct flock` of 64-bit Linux; the process id must be 0.
    private static MemorySegment flock(Arena arena, short type, long start, long lengthBytes) {
        MemorySegment flock = arena.allocate(32, 8);
        flock.set(JAVA_SHORT, 0, type);
        flock.set(JAVA_SHORT, 2, (short) 0);
        flock.set(JAVA_LONG, 8, start);
        flock.set(JAVA_LONG, 16, lengthBytes);
        flock.set(JAVA_INT, 24, 0);
        return flock;
    }
}
