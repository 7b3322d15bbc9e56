package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// Places pages straight into QEMU's memory, without its threads and without a queue; blocks whose area is
/// not certain go through the stream. Which way a block goes is decided once, because QEMU's own placing
/// does not tolerate a page that is there already.
final class DirectPlacer implements PagePlacer, AutoCloseable {
    private static final long RETRY_NANOS = 300_000;
    private static final int ZERO_RUN_PAGES_MAX = 512; // 2 MiB, placed in some 20 us.
    private final long pid;
    private final RamLayout layout;
    private final Userfaultfd userfaultfd;
    private final StreamPlacer stream;
    private final GuestAreas.@Nullable Area[] areas; // By block; null where the stream is the way.
    private boolean streamed;
    private @Nullable PresentPages presentPages;

    private DirectPlacer(
            long pid,
            RamLayout layout,
            Userfaultfd userfaultfd,
            StreamPlacer stream,
            GuestAreas.@Nullable Area[] areas) {
        this.pid = pid;
        this.layout = layout;
        this.userfaultfd = userfaultfd;
        this.stream = stream;
        this.areas = areas;
    }

    /// Waits until QEMU has registered its memory, which it does when it has read LISTEN.
    ///
    /// @param demanded whether a page is asked for: then QEMU has registered all that it ever will, and
    ///     somebody waits, so that one look more decides
    /// @throws RestoreException if it is not possible here; then everything goes through the stream
    static DirectPlacer attach(
            long pid, RamLayout layout, StreamPlacer stream, Duration timeout, BooleanSupplier demanded)
            throws IOException, InterruptedException {
        GuestAreas areas = awaitAreas(pid, layout.blocks(), timeout, demanded);
        return attach(pid, layout, stream, areas, Userfaultfd.borrow(pid));
    }

    /// As [#attach(long,RamLayout,StreamPlacer,Duration,BooleanSupplier)], for a QEMU to which another page
    /// server has placed pages: one that is there already is only woken.
    static DirectPlacer attachForRecovery(long pid, RamLayout layout, StreamPlacer stream, Duration timeout)
            throws IOException, InterruptedException {
        GuestAreas areas = awaitAreas(pid, layout.blocks(), timeout, () -> false);
        return attach(pid, layout, stream, areas, Userfaultfd.borrowForRecovery(pid));
    }

    private static DirectPlacer attach(
            long pid, RamLayout layout, StreamPlacer stream, GuestAreas found, Userfaultfd userfaultfd) {
        GuestAreas.@Nullable Area[] areas = new GuestAreas.Area[layout.blocks().size()];
        for (int i = 0; i < areas.length; i++) {
            areas[i] = found.area(layout.blocks().get(i)).orElse(null);
        }
        return new DirectPlacer(pid, layout, userfaultfd, stream, areas);
    }

    boolean isDirect(int block) {
        return areas[block] != null;
    }

    /// {@return whether the memory of a direct block may be shared with others}
    boolean isShared(int block) {
        return area(block).shared();
    }

    /// {@return the address of a direct block in QEMU}
    long address(int block) {
        return area(block).address();
    }

    private GuestAreas.Area area(int block) {
        return Objects.requireNonNull(areas[block], "the block goes through the stream");
    }

    /// {@return the areas of QEMU's memory, once it has registered them all}
    static GuestAreas awaitAreas(long pid, List<RamBlock> blocks, Duration timeout, BooleanSupplier demanded)
            throws IOException, InterruptedException {
        long end = System.nanoTime() + timeout.toNanos();
        while (true) {
            boolean last = demanded.getAsBoolean() || System.nanoTime() - end >= 0;
            Optional<GuestAreas> areas = GuestAreas.find(pid, blocks);
            if (areas.isPresent()) {
                return areas.get();
            }
            if (last) {
                throw new RestoreException(
                        "process %d: the areas registered with userfaultfd are not its RAM blocks".formatted(pid));
            }
            Thread.sleep(Duration.ofNanos(RETRY_NANOS));
        }
    }

    /// {@return per block `direct` or `stream`}
    List<String> ways() {
        var ways = new ArrayList<String>();
        for (int block = 0; block < areas.length; block++) {
            ways.add(isDirect(block) ? "direct" : "stream");
        }
        return ways;
    }

    @Override
    public void place(long frame, ByteBuffer pages) throws IOException {
        int count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
        int block = layout.blockIndex(frame);
        // Pages that follow one another in a group may lie on both sides of a block's end.
        int inBlock = (int) Math.min(count, layout.endFrame(block) - frame);
        ByteBuffer part = pages.slice(pages.position(), inBlock * RamBlock.TARGET_PAGE_BYTES);
        if (!isDirect(block)) {
            stream.place(frame, part);
            streamed = true;
        } else {
            userfaultfd.copy(address(block) + layout.offset(frame), part);
        }
        if (inBlock < count) {
            int start = pages.position() + inBlock * RamBlock.TARGET_PAGE_BYTES;
            try {
                place(frame + inBlock, pages.slice(start, pages.limit() - start));
            } catch (NotPlacedException e) {
                throw e.after(inBlock);
            }
        }
    }

    @Override
    public void placeZeroes(long frame, int count) throws IOException {
        int block = layout.blockIndex(frame);
        int inBlock = (int) Math.min(count, layout.endFrame(block) - frame);
        if (!isDirect(block)) {
            stream.placeZeroes(frame, inBlock);
            streamed = true;
        } else {
            userfaultfd.zero(address(block) + layout.offset(frame), (long) inBlock * RamBlock.TARGET_PAGE_BYTES);
        }
        if (inBlock < count) {
            try {
                placeZeroes(frame + inBlock, count - inBlock);
            } catch (NotPlacedException e) {
                throw e.after(inBlock);
            }
        }
    }

    /// In private memory zeros take none of the host's; in shared memory each page of them takes a page.
    @Override
    public int zeroRunPagesMax(long frame) {
        int block = layout.blockIndex(frame);
        return isDirect(block) && !isShared(block) ? ZERO_RUN_PAGES_MAX : PagePlacer.super.zeroRunPagesMax(frame);
    }

    @Override
    public void flush() throws IOException {
        if (streamed) {
            streamed = false;
            stream.flush();
        }
    }

    /// Of the blocks that go through the stream QEMU itself keeps account.
    @Override
    public void audit(long firstFrame, int frameCount, FrameSet placed, FrameVisitor missing) throws IOException {
        if (presentPages == null) {
            presentPages = new PresentPages(pid);
        }
        long end = firstFrame + frameCount;
        for (int block = layout.blockIndex(firstFrame); block < areas.length; block++) {
            long blockStart = layout.firstFrame(block);
            long from = Math.max(firstFrame, blockStart);
            long to = Math.min(end, layout.endFrame(block));
            if (from < to && isDirect(block)) {
                presentPages.visit(address(block) + layout.offset(from), to - from, (index, present) -> {
                    if (!present && placed.contains(from + index)) {
                        missing.frame(from + index);
                    }
                });
            }
        }
    }

    @Override
    public boolean placeAgain(long frame, ByteBuffer page) throws IOException {
        return userfaultfd.copyIfMissing(address(layout.blockIndex(frame)) + layout.offset(frame), page);
    }

    @Override
    public void close() throws IOException {
        userfaultfd.close();
        if (presentPages != null) {
            presentPages.close();
        }
    }
}
