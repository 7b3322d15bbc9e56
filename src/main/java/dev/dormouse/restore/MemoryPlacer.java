package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/// Places pages before the guest runs and before QEMU listens for postcopy, or of a restore that does without: writes
/// them into its memory from here (`process_vm_writev`), in huge pages and all that it was given of a block until
/// [#settle] in a call, which is several times as fast as QEMU's reading them from the stream.
///
/// Where a block is mapped is guessed ([GuestAreas#likely]) and proved: the first page of each block goes through
/// the stream, and only when it is seen to arrive where it was not before is anything written there. QEMU has then read
/// all that stands before it in the stream, ADVISE with its discards above all. A block that is not found, does not
/// pass, or cannot be written goes through the stream.
///
/// QEMU leaves alone what the stream does not name. It discards memory when it reads ADVISE or a DISCARD, which the
/// stream of an eager restore has none of, and not at its end.
///
/// Only for anonymous memory. Owned by one thread.
final class MemoryPlacer implements PagePlacer, AutoCloseable {
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
    private final long proofNanosMax;
    private final Way[] ways;
    private final BitSet writtenBlocks = new BitSet();
    private final Arena arena = Arena.ofConfined();
    private final MemoryRanges here = new MemoryRanges(arena);
    private final MemoryRanges there = new MemoryRanges(arena);
    private final List<Run> gathered = new ArrayList<>(); // What the ranges are of.
    private int gatheredBlock;
    private long gatheredBytes;
    private final MemorySegment seen = arena.allocate(RamBlock.TARGET_PAGE_BYTES);
    private long pagesWritten;

    /// Pages that follow one another.
    private record Run(long frame, ByteBuffer pages) {}

    private MemoryPlacer(long pid, RamLayout layout, StreamPlacer stream, GuestAreas areas, Duration proofMax) {
        this.pid = pid;
        this.layout = layout;
        this.stream = stream;
        this.areas = areas;
        proofNanosMax = proofMax.toNanos();
        ways = new Way[layout.blocks().size()];
        Arrays.fill(ways, Way.UNKNOWN);
    }

    /// @param pid of a QEMU whose machine is made, and that reads the stream
    /// @param stream with a RAM part open
    /// @param smallBytesMax up to what size a block goes through the stream
    /// @param proofMax for how long QEMU may take to read the first page of a block
    static MemoryPlacer attach(long pid, RamLayout layout, StreamPlacer stream, long smallBytesMax, Duration proofMax) {
        List<RamBlock> large = layout.blocks().stream()
                .filter(block -> block.lengthBytes() > smallBytesMax)
                .toList();
        return new MemoryPlacer(pid, layout, stream, GuestAreas.likely(pid, large), proofMax);
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
            settle();
            boolean proved = prove(block, frame, pages.slice(0, RamBlock.TARGET_PAGE_BYTES));
            ways[block] = proved ? Way.MEMORY : Way.STREAM;
            int rest = pages.remaining() - RamBlock.TARGET_PAGE_BYTES;
            if (rest > 0) {
                placeInBlock(block, frame + 1, pages.slice(RamBlock.TARGET_PAGE_BYTES, rest));
            }
        } else if (ways[block] == Way.MEMORY) {
            gather(block, frame, pages);
        } else {
            stream.place(frame, pages);
        }
    }

    private void gather(int block, long frame, ByteBuffer pages) throws IOException {
        if (!pages.isDirect()) {
            throw new IllegalArgumentException("pages are in a buffer of the heap, a direct one is allowed");
        }
        if (block != gatheredBlock || here.isFull() || there.isFull()) {
            settle();
        }
        gatheredBlock = block;
        gathered.add(new Run(frame, pages));
        gatheredBytes += pages.remaining();
        here.add(MemorySegment.ofBuffer(pages).address(), pages.remaining());
        there.add(address(block, frame), pages.remaining());
    }

    /// Writes what was gathered. What is missing then is for want of memory, or because the process is gone.
    @Override
    public void settle() throws IOException {
        if (gathered.isEmpty()) {
            return;
        }
        writtenBlocks.set(gatheredBlock);
        if (Libc.writeProcess(pid, here.vector(), there.vector()) == gatheredBytes) {
            pagesWritten += gatheredBytes / RamBlock.TARGET_PAGE_BYTES;
        } else {
            ways[gatheredBlock] = Way.STREAM;
            for (Run run : gathered) {
                stream.place(run.frame, run.pages); // What was written QEMU writes once more.
            }
        }
        gathered.clear();
        gatheredBytes = 0;
        here.clear();
        there.clear();
    }

    /// Sends a page through the stream.
    ///
    /// @return whether it has come to where the block is taken to be, and was not there before
    private boolean prove(int block, long frame, ByteBuffer page) throws IOException {
        boolean candidate = areas.area(layout.blocks().get(block)).isPresent() && peek(block, frame) && !isSeen(page);
        stream.place(frame, page);
        stream.flush();
        long end = System.nanoTime() + proofNanosMax;
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

    /// Nothing is gathered.
    private boolean peek(int block, long frame) {
        here.add(seen.address(), seen.byteSize());
        there.add(address(block, frame), seen.byteSize());
        long copied = Libc.readProcess(pid, here.vector(), there.vector());
        here.clear();
        there.clear();
        return copied == seen.byteSize();
    }

    private long address(int block, long frame) {
        return areas.area(layout.blocks().get(block)).orElseThrow().address() + layout.offset(frame);
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
        settle();
        stream.flush();
    }

    @Override
    public void close() {
        arena.close();
    }
}
