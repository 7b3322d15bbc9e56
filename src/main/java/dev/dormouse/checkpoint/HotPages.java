package dev.dormouse.checkpoint;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.FrameRanges;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.PageHash;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.BitSet;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The hot pages of the first RAM block, kept back until all other pages are in the image: so they lie together
/// there, whatever the order in which they came, and one that changes meanwhile leaves nothing behind. At
/// most 64 MiB outside the heap; what is beyond that goes where it comes. One thread.
///
/// Hot is what the guest wrote shortly before its pause, what it demanded first after earlier restores, and
/// what looks like a page table. The kernel's code counts as hot, too, without being kept back.
final class HotPages implements AutoCloseable {
    static final int KEPT_MAX = 16 << 10;
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;

    private record Kept(MemorySegment bytes, PageHash hash) {}

    private final Arena arena = Arena.ofShared();
    private final TreeMap<Long, Kept> kept = new TreeMap<>();
    private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();
    private final BitSet hot = new BitSet();
    private int allocated;

    /// {@return whether the page is kept back; its bytes are copied then}
    boolean keep(long frame, MemorySegment page, PageHash hash) {
        note(frame);
        Kept before = kept.get(frame);
        MemorySegment bytes = before != null ? before.bytes : room();
        if (bytes == null) {
            return false;
        }
        kept.put(frame, new Kept(bytes.copyFrom(page), hash));
        return true;
    }

    private @Nullable MemorySegment room() {
        if (free.isEmpty() && allocated < KEPT_MAX) {
            allocated++;
            return arena.allocate(PAGE, Long.BYTES);
        }
        return free.poll();
    }

    /// Says that the page has another content than the one that was kept back, if one was.
    void drop(long frame) {
        Kept before = kept.remove(frame);
        if (before != null) {
            free.add(before.bytes);
        }
    }

    boolean isKept(long frame) {
        return kept.containsKey(frame);
    }

    /// Says that a page is hot that is not to be kept back.
    void note(long frame) {
        hot.set(Math.toIntExact(frame));
    }

    /// Puts all that was kept back into the image, by their place in memory.
    void writeTo(ImageWriter writer) throws IOException {
        for (var page : kept.entrySet()) {
            writer.addPage(0, page.getKey(), page.getValue().bytes, page.getValue().hash);
            free.add(page.getValue().bytes);
        }
        kept.clear();
    }

    FrameRanges frames() {
        var ranges = FrameRanges.builder();
        for (int first = hot.nextSetBit(0); first >= 0; ) {
            int end = hot.nextClearBit(first);
            ranges.addRange(first, end - 1L);
            first = hot.nextSetBit(end);
        }
        return ranges.build();
    }

    @Override
    public void close() {
        arena.close();
    }
}
