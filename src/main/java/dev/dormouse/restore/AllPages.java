package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.locks.LockSupport;

/// Brings every non-zero page of an image to a placer, in the order in which the image is read forward:
/// what an eager restore and an export have in common. One thread, for which others read ahead.
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
        placeAll(placer, 0, source.frameCount());
    }

    /// Places the pages of the frames from the first to before the end.
    void placeAll(PagePlacer placer, long firstFrame, long endFrame) throws IOException {
        nextGroup = 0;
        Thread owner = Thread.currentThread();
        try (var reads =
                new ReadAhead(source, this::plan, HostBudget.SHARED.urgent(), () -> LockSupport.unpark(owner))) {
            for (ReadAhead.Group group = reads.await(); group != null; group = reads.await()) {
                place(placer, group, firstFrame, endFrame);
                reads.advance();
            }
        }
        listener.progress(progress());
    }

    private int plan() {
        return nextGroup < source.groupCount() ? nextGroup++ : ReadAhead.Plan.END;
    }

    private void place(PagePlacer placer, ReadAhead.Group group, long firstFrame, long endFrame) throws IOException {
        PageSource.FrameList frames = source.frames(group.number());
        for (int i = 0; i < frames.size(); ) {
            long frame = frames.get(i);
            int count = 1;
            if (frame >= firstFrame && frame < endFrame) {
                int wanted = run(frames, i, endFrame);
                ByteBuffer pages = group.pages(frame, wanted);
                count = pages.remaining() / RamBlock.TARGET_PAGE_BYTES;
                placer.place(frame, pages);
            }
            i += count;
            passed += count;
        }
        if (passed - reported >= REPORT_PAGES) {
            reported = passed;
            listener.progress(progress());
        }
    }

    private static int run(PageSource.FrameList frames, int index, long endFrame) {
        long frame = frames.get(index);
        int count = 1;
        while (count < RUN_PAGES_MAX
                && index + count < frames.size()
                && frames.get(index + count) == frame + count
                && frame + count < endFrame) {
            count++;
        }
        return count;
    }

    /// {@return what is done so far}
    RestoreListener.Progress progress() {
        return new RestoreListener.Progress(source.nonZeroCount(), passed, 0, 0, passed);
    }
}
