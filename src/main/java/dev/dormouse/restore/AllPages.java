package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.LongPredicate;
import org.jspecify.annotations.Nullable;

/// Brings the non-zero pages of an image to a placer, in the order in which the image is read forward: what an
/// eager restore, one that loads before the guest runs, and an export have in common. One thread, for which
/// others read ahead.
final class AllPages {
    private static final int REPORT_PAGES = 4096;
    private static final int RUN_PAGES_MAX = 64;
    /// What storage is asked for at once, and how far ahead of those who read: 8 MiB of pages in extents, which keeps
    /// storage at work that gives 2 GB/s.
    private static final int HINT_GROUPS = 32;
    private static final int HINTS_AHEAD = 8;

    private final PageSource source;
    private final RestoreListener listener;
    private long passed;
    private long reported;
    private int nextGroup;
    private int nextHint;

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
        nextHint = 0;
        read(placer, groups, () -> true, group -> place(placer, group, wanted, false));
    }

    private static boolean holdsAny(PageSource.FrameList frames, LongPredicate wanted) {
        int i = 0;
        while (i < frames.size() && !wanted.test(frames.get(i))) {
            i++;
        }
        return i < frames.size();
    }

    /// Places the pages of these frames as far as they stand in these groups and can be read, for as long as it may go
    /// on.
    ///
    /// @param hints whether storage is told what comes; a guest that demands pages soon would wait behind that
    /// @return whether it came to their end
    boolean placeReadable(PagePlacer placer, BitSet groups, LongPredicate wanted, boolean hints, BooleanSupplier goesOn)
            throws IOException {
        nextHint = hints ? 0 : Integer.MAX_VALUE;
        return goesOn.getAsBoolean() && read(placer, groups, goesOn, group -> place(placer, group, wanted, true));
    }

    private interface GroupVisitor {
        void group(ReadAhead.Group group) throws IOException;
    }

    /// {@return whether it came to the end}
    private boolean read(PagePlacer placer, BitSet groups, BooleanSupplier goesOn, GroupVisitor visitor)
            throws IOException {
        nextGroup = 0;
        boolean ended;
        Thread owner = Thread.currentThread();
        try (var reads = new ReadAhead(
                source, () -> plan(groups), HostBudget.SHARED.urgent(), () -> LockSupport.unpark(owner))) {
            ReadAhead.Group group = reads.await(goesOn);
            while (group != null && goesOn.getAsBoolean()) {
                visitor.group(group);
                if (reads.isLastOfBatch()) {
                    placer.settle();
                }
                reads.advance();
                group = reads.await(goesOn);
            }
            placer.settle();
            ended = group == null && goesOn.getAsBoolean();
        }
        listener.progress(progress());
        return ended;
    }

    private int plan(BitSet groups) throws IOException {
        int group = groups.nextSetBit(nextGroup);
        if (group < 0) {
            return ReadAhead.Plan.END;
        }
        nextGroup = group + 1;
        while (nextHint < source.groupCount() && nextHint < group + HINT_GROUPS * HINTS_AHEAD) {
            hint(groups, Math.max(nextHint, group));
        }
        return group;
    }

    /// Has storage begin with some groups from this one on, if they are wanted.
    private void hint(BitSet groups, int from) throws IOException {
        nextHint = Math.min(from + HINT_GROUPS, source.groupCount());
        for (int first = groups.nextSetBit(from); first >= 0 && first < nextHint; ) {
            int end = Math.min(groups.nextClearBit(first), nextHint);
            source.willNeed(first, end - first);
            first = groups.nextSetBit(end);
        }
    }

    private void place(PagePlacer placer, ReadAhead.Group group, LongPredicate wanted, boolean readableOnly)
            throws IOException {
        PageSource.FrameList frames = source.frames(group.number());
        for (int i = 0; i < frames.size(); ) {
            long frame = frames.get(i);
            int count = 1;
            if (wanted.test(frame)) {
                ByteBuffer pages = pages(group, frame, run(frames, i, wanted), readableOnly);
                if (pages != null) {
                    count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
                    placer.place(frame, pages);
                    passed += count;
                }
            }
            i += count;
        }
        if (passed - reported >= REPORT_PAGES) {
            reported = passed;
            listener.progress(progress());
        }
    }

    private static @Nullable ByteBuffer pages(ReadAhead.Group group, long frame, int countMax, boolean readableOnly)
            throws IOException {
        try {
            return group.pages(frame, countMax);
        } catch (IOException e) {
            if (readableOnly) {
                return null;
            }
            throw e;
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
