package dev.dormouse.restore;

import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.BitSet;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/// Places pages before the guest runs and before QEMU listens for postcopy: writes them into its memory from here
/// (`process_vm_writev`), in huge pages and as many as follow one another in a call, which is several times as fast
/// as QEMU's reading them from the stream.
///
/// Where a block is mapped is guessed ([GuestAreas#likely]) and proved: the first page of each block goes through
/// the stream, and only when it is seen to arrive where it was not before is anything written there. QEMU has then read
/// all that stands before it in the stream, ADVISE with its discards above all. A block that is not found, does not
/// pass, or cannot be written goes through the stream.
///
/// Only for anonymous memory. Owned by one thread.
final class MemoryPlacer implements PagePlacer, AutoCloseable {
    private static final long PROOF_NANOS_MAX = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long PROOF_STEP_NANOS = 100_000;

    /// What is known of a block.
    private enum Way {
        UNKNOWN,
        MEMORY,
        STREAM
    }

    private final long pid;
    private final RamLayout layout;
    private final StreamPlacer stream;
    private final GuestAreas areas;
    private final Way[] ways;
    private final BitSet writtenBlocks = new BitSet();
    private final Arena arena = Arena.ofConfined();
    private final MemorySegment ranges = arena.allocate(4 * JAVA_LONG.byteSize(), JAVA_LONG.byteAlignment());
    private final MemorySegment seen = arena.allocate(RamBlock.TARGET_PAGE_BYTES);
    private long pagesWritten;

    private MemoryPlacer(long pid, RamLayout layout, StreamPlacer stream, GuestAreas areas) {
        this.pid = pid;
        this.layout = layout;
        this.stream = stream;
        this.areas = areas;
        ways = new Way[layout.blocks().size()];
        Arrays.fill(ways, Way.UNKNOWN);
    }

    /// @param pid of a QEMU whose machine is made, and that reads the stream
    /// @param stream with a RAM part open
    static MemoryPlacer attach(long pid, RamLayout layout, StreamPlacer stream) {
        return new MemoryPlacer(pid, layout, stream, GuestAreas.likely(pid, layout.blocks()));
    }

    @Override
    public void place(long frame, ByteBuffer pages) throws IOException {
        int block = layout.blockIndex(frame);
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        int inBlock =
                (int) Math.min(count, layout.endFrame(block) - frame); // The next one may belong to the next block.
        placeInBlock(block, frame, pages.slice(pages.position(), inBlock * RamBlock.TARGET_PAGE_BYTES));
        if (inBlock < count) {
            int start = pages.position() + inBlock * RamBlock.TARGET_PAGE_BYTES;
            place(frame + inBlock, pages.slice(start, pages.limit() - start));
        }
    }

    private void placeInBlock(int block, long frame, ByteBuffer pages) throws IOException {
        if (ways[block] == Way.UNKNOWN) {
            boolean proved = prove(block, frame, pages.slice(0, RamBlock.TARGET_PAGE_BYTES));
            ways[block] = proved ? Way.MEMORY : Way.STREAM;
            int rest = pages.remaining() - RamBlock.TARGET_PAGE_BYTES;
            if (rest > 0) {
                placeInBlock(block, frame + 1, pages.slice(RamBlock.TARGET_PAGE_BYTES, rest));
            }
        } else if (ways[block] == Way.MEMORY && write(block, frame, pages)) {
            pagesWritten += pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        } else {
            ways[block] = Way.STREAM; // What could not be written whole QEMU writes once more.
            stream.place(frame, pages);
        }
    }

    /// Sends a page through the stream.
    ///
    /// @return whether it has come to where the block is taken to be, and was not there before
    private boolean prove(int block, long frame, ByteBuffer page) throws IOException {
        boolean candidate = areas.area(layout.blocks().get(block)).isPresent() && peek(block, frame) && !isSeen(page);
        stream.place(frame, page);
        stream.flush();
        long end = System.nanoTime() + PROOF_NANOS_MAX;
        while (candidate && System.nanoTime() - end < 0) {
            if (peek(block, frame) && isSeen(page)) {
                return true;
            }
            LockSupport.parkNanos(PROOF_STEP_NANOS);
        }
        return false;
    }

    private boolean isSeen(ByteBuffer page) {
        return seen.mismatch(MemorySegment.ofBuffer(page)) < 0;
    }

    private boolean peek(int block, long frame) {
        return Libc.readProcess(pid, ranges(block, frame, seen)) == seen.byteSize();
    }

    /// {@return whether all was written; what is missing is for want of memory, or because the process is gone}
    private boolean write(int block, long frame, ByteBuffer pages) {
        if (!pages.isDirect()) {
            throw new IllegalArgumentException("pages are in a buffer of the heap, a direct one is allowed");
        }
        writtenBlocks.set(block);
        MemorySegment here = MemorySegment.ofBuffer(pages);
        return Libc.writeProcess(pid, ranges(block, frame, here)) == here.byteSize();
    }

    private MemorySegment ranges(int block, long frame, MemorySegment here) {
        long there = areas.area(layout.blocks().get(block)).orElseThrow().address() + layout.offset(frame);
        ranges.setAtIndex(JAVA_LONG, 0, here.address());
        ranges.setAtIndex(JAVA_LONG, 1, here.byteSize());
        ranges.setAtIndex(JAVA_LONG, 2, there);
        ranges.setAtIndex(JAVA_LONG, 3, here.byteSize());
        return ranges;
    }

    /// {@return the blocks that hold pages of which QEMU keeps no account}
    BitSet writtenBlocks() {
        return writtenBlocks;
    }

    /// {@return the pages that did not go through the stream}
    long pagesWritten() {
        return pagesWritten;
    }

    @Override
    public void placeZeroes(long frame, int count) {
        throw new IllegalStateException("zeros are what memory has before anything is placed");
    }

    @Override
    public void flush() throws IOException {
        stream.flush();
    }

    @Override
    public void close() {
        arena.close();
    }
}
