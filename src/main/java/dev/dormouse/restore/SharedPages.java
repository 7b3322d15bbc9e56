package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.restore.GuestAreas.MappedFile;
import dev.dormouse.storage.SparseFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/// Which pages of memory that QEMU shares are there: those that the file behind it holds. The kernel's page map of
/// QEMU shows of such memory only what is mapped at the moment; a page that was placed is in the file, and what was
/// never placed is a hole.
///
/// The file has no name any more, so it is opened through QEMU's descriptor: for that the right to see QEMU is
/// enough, which many have who may not borrow its descriptors.
final class SharedPages {
    private SharedPages() {}

    /// Told of runs of pages that are there, in order.
    interface Visitor {
        void pages(long index, long count) throws IOException;
    }

    /// Visits the pages of a mapping; what is placed meanwhile may or may not be seen.
    ///
    /// @throws RestoreException if the file cannot be found or opened
    static void visit(long pid, MappedFile mapped, long pageCount, Visitor visitor) throws IOException {
        long end = mapped.offset() + pageCount * RamBlock.TARGET_PAGE_BYTES;
        try (SparseFile file = open(pid, mapped)) {
            if (file.lengthBytes() < end) {
                throw new RestoreException("process %d: its memory file has %d bytes, %d or more are expected"
                        .formatted(pid, file.lengthBytes(), end));
            }
            for (long data = file.nextData(mapped.offset()); data < end; ) {
                long hole = Math.min(file.nextHole(data), end);
                long first = (data - mapped.offset()) / RamBlock.TARGET_PAGE_BYTES;
                visitor.pages(first, (hole - mapped.offset()) / RamBlock.TARGET_PAGE_BYTES - first);
                data = file.nextData(hole);
            }
        }
    }

    private static SparseFile open(long pid, MappedFile mapped) throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/" + pid + "/fd"))) {
            for (Path descriptor : (Iterable<Path>) descriptors::iterator) {
                if (isOf(descriptor, mapped)) {
                    return SparseFile.open(descriptor);
                }
            }
        } catch (IOException e) {
            throw new RestoreException(
                    "process %d: its memory file cannot be opened (%s); the right to ptrace it is needed"
                            .formatted(pid, e.getMessage()),
                    e);
        }
        throw new RestoreException("process %d: has no descriptor of its memory file".formatted(pid));
    }

    private static boolean isOf(Path descriptor, MappedFile mapped) {
        try {
            return Files.readSymbolicLink(descriptor).toString().equals(mapped.name())
                    && Files.getAttribute(descriptor, "unix:ino").equals(mapped.inode());
        } catch (IOException _) {
            return false; // Closed since it was listed.
        }
    }
}
