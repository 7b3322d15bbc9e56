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
import org.jspecify.annotations.Nullable;

/// Places pages straight into QEMU's memory, without its threads and without a queue; blocks whose area is
/// not certain go through the stream. Which way a block goes is decided once, because QEMU's own placing
/// does not tolerate a page that is there already.
final class DirectPlacer implements PagePlacer, AutoCloseable {
    private static final long RETRY_NANOS = 300_000;
    private final RamLayout layout;
    private final Userfaultfd userfaultfd;
    private final StreamPlacer stream;
    private final GuestAreas.@Nullable Area[] areas; // By block; null where the stream is the way.
    private boolean streamed;

    private DirectPlacer(
            RamLayout layout, Userfaultfd userfaultfd, StreamPlacer stream, GuestAreas.@Nullable Area[] areas) {
        this.layout = layout;
        this.userfaultfd = userfaultfd;
        this.stream = stream;
        this.areas = areas;
    }

    /// Waits until QEMU has registered its memory, which it does when it has read LISTEN.
    ///
    /// @throws RestoreException if it is not possible here; then everything goes through the stream
    static DirectPlacer attach(long pid, RamLayout layout, StreamPlacer stream, Duration timeout)
            throws IOException, InterruptedException {
        return attach(layout, stream, await(pid, layout.blocks(), timeout), Userfaultfd.borrow(pid));
    }

    /// As [#attach(long,RamLayout,StreamPlacer,Duration)], for a QEMU to which another page server has placed
    /// pages: one that is there already is only woken.
    static DirectPlacer attachForRecovery(long pid, RamLayout layout, StreamPlacer stream, Duration timeout)
            throws IOException, InterruptedException {
        return attach(layout, stream, await(pid, layout.blocks(), timeout), Userfaultfd.borrowForRecovery(pid));
    }

    private static DirectPlacer attach(
            RamLayout layout, StreamPlacer stream, GuestAreas found, Userfaultfd userfaultfd) {
        GuestAreas.@Nullable Area[] areas = new GuestAreas.Area[layout.blocks().size()];
        for (int i = 0; i < areas.length; i++) {
            areas[i] = found.area(layout.blocks().get(i)).orElse(null);
        }
        return new DirectPlacer(layout, userfaultfd, stream, areas);
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

    private static GuestAreas await(long pid, List<RamBlock> blocks, Duration timeout)
            throws IOException, InterruptedException {
        long end = System.nanoTime() + timeout.toNanos();
        while (true) {
            Optional<GuestAreas> areas = GuestAreas.find(pid, blocks);
            if (areas.isPresent()) {
                return areas.get();
            }
            if (System.nanoTime() - end >= 0) {
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
        int inBlock = (int) Math.min(
                count, layout.firstFrame(block) + layout.blocks().get(block).frameCount() - frame);
        ByteBuffer part = pages.slice(pages.position(), inBlock * RamBlock.TARGET_PAGE_BYTES);
        if (!isDirect(block)) {
            stream.place(frame, part);
            streamed = true;
        } else {
            userfaultfd.copy(address(block) + layout.offset(frame), part);
        }
        if (inBlock < count) {
            int start = pages.position() + inBlock * RamBlock.TARGET_PAGE_BYTES;
            place(frame + inBlock, pages.slice(start, pages.limit() - start));
        }
    }

    @Override
    public void placeZero(long frame) throws IOException {
        int block = layout.blockIndex(frame);
        if (!isDirect(block)) {
            stream.placeZero(frame);
            streamed = true;
        } else {
            userfaultfd.zero(address(block) + layout.offset(frame), RamBlock.TARGET_PAGE_BYTES);
        }
    }

    @Override
    public void flush() throws IOException {
        if (streamed) {
            streamed = false;
            stream.flush();
        }
    }

    @Override
    public void close() {
        userfaultfd.close();
    }
}
