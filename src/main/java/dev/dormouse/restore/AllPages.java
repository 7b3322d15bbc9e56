package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongPredicate;

/// Brings the non-zero pages of an image to a placer, in the order in which the image is read forward: what an
/// eager restore, one that loads before the guest runs, and an export have in common. One thread, for which
/// others read ahead.
final class AllPages {
    private static final int REPORT_PAGES = 4096;
    private static final int RUN_PAGES_MAX = 64;

    private final PageSource source;
    private final RestoreListener listener;
    private long passed;
    private long reported;
    private int nextGroup;

    AllPages(PageSource source, RestoreListener listener) {
        this.source = source;
        this.listener = listener;
    }

    void placeAll(PagePlacer placer) throws IOException {
        place(placer, _ -> true);
    }

    /// Places the pages of these frames; groups without any of them are not read.
    void place(PagePlacer placer, LongPredicate wanted) throws IOException {
        var groups = new BitSet(source.groupCount());
        for (int group = 0; group < source.groupCount(); group++) {
            groups.set(group, holdsAny(source.frames(group), wanted));
        }
        place(placer, groups, wanted);
    }

    private static boolean holdsAny(PageSource.FrameList frames, LongPredicate wanted) {
        int i = 0;
        while (i < frames.size() && !wanted.test(frames.get(i))) {
            i++;
        }
        return i < frames.size();
    }

    /// Places the pages of these frames as far as they stand in these groups.
    void place(PagePlacer placer, BitSet groups, LongPredicate wanted) throws IOException {
        nextGroup = 0;
        Thread owner = Thread.currentThread();
        try (var reads = new ReadAhead(
                source, () -> plan(groups), HostBudget.SHARED.urgent(), () -> LockSupport.unpark(owner))) {
            for (ReadAhead.Group group = reads.await(); group != null; group = reads.await()) {
                place(placer, group, wanted);
                reads.advance();
            }
        }
        listener.progress(progress());
    }

    private int plan(BitSet groups) {
        int group = groups.nextSetBit(nextGroup);
        nextGroup = group + 1;
        return group < 0 ? ReadAhead.Plan.END : group;
    }

    private void place(PagePlacer placer, ReadAhead.Group group, LongPredicate wanted) throws IOException {
        PageSource.FrameList frames = source.frames(group.number());
        for (int i = 0; i < frames.size(); ) {
            long frame = frames.get(i);
            int count = 1;
            if (wanted.test(frame)) {
                ByteBuffer pages = group.pages(frame, run(frames, i, wanted));
                count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
                placer.place(frame, pages);
                passed += count;
            }
            i += count;
        }
        if (passed - reported >= REPORT_PAGES) {
            reported = passed;
            listener.progress(progress());
        }
    }

    private static int run(PageSource.FrameList frames, int index, LongPredicate wanted) {
        long frame = frames.get(index);
        int count = 1;
        while (count < RUN_PAGES_MAX
                && index + count < frames.size()
                && frames.get(index + count) == frame + count
                && wanted.test(frame + count)) {
            count++;
        }
        return count;
    }

    /// {@return what is done so far}
    RestoreListener.Progress progress() {
        return new RestoreListener.Progress(source.nonZeroCount(), passed, 0, 0, passed);
    }
}
