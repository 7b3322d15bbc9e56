package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// Which pages of QEMU's memory are there, as the kernel sees it (`/proc/PID/pagemap`): the audit before
/// the end of a restore, and that from which a recovery learns what the page server before it had placed.
/// Of shared memory the kernel shows only what is mapped at the moment, so a page may be there unseen.
final class PresentPages implements AutoCloseable {
    private static final int ENTRY_BYTES = 8;
    private static final long PRESENT_OR_SWAPPED = 0b11L << 62;
    private static final int CHUNK_PAGES = 64 << 10;
    private final FileChannel pagemap;
    private final ByteBuffer chunk =
            ByteBuffer.allocateDirect(CHUNK_PAGES * ENTRY_BYTES).order(ByteOrder.nativeOrder());

    PresentPages(long pid) throws IOException {
        try {
            pagemap = FileChannel.open(Path.of("/proc/" + pid + "/pagemap"), StandardOpenOption.READ);
        } catch (AccessDeniedException e) {
            throw new RestoreException(
                    "process %d: its pages cannot be seen; the right to ptrace it is needed".formatted(pid), e);
        }
    }

    /// Told of each page, in order.
    interface Visitor {
        void page(long index, boolean present) throws IOException;
    }

    /// Visits the pages of an area; what the process does meanwhile may or may not be seen.
    void visit(long address, long pageCount, Visitor visitor) throws IOException {
        for (long start = 0; start < pageCount; start += CHUNK_PAGES) {
            int count = (int) Math.min(CHUNK_PAGES, pageCount - start);
            read(address / RamBlock.TARGET_PAGE_BYTES + start, count);
            for (int i = 0; i < count; i++) {
                visitor.page(start + i, (chunk.getLong(i * ENTRY_BYTES) & PRESENT_OR_SWAPPED) != 0);
            }
        }
    }

    private void read(long pageNumber, int count) throws IOException {
        chunk.clear().limit(count * ENTRY_BYTES);
        while (chunk.hasRemaining()) {
            if (pagemap.read(chunk, pageNumber * ENTRY_BYTES + chunk.position()) <= 0) {
                throw new RestoreException("pagemap of QEMU: ends at page " + pageNumber + ", its memory is not there");
            }
        }
    }

    @Override
    public void close() throws IOException {
        pagemap.close();
    }
}
