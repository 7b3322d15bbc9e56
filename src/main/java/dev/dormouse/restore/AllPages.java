package dev.dormouse.restore;

import java.io.IOException;

/// Brings every non-zero page of an image to a placer, in the order in which the image is read forward:
/// what an eager restore and an export have in common. One thread.
final class AllPages {
    private static final int REPORT_PAGES = 4096;

    private final PageSource source;
    private final RestoreListener listener;
    private long placed;

    AllPages(PageSource source, RestoreListener listener) {
        this.source = source;
        this.listener = listener;
    }

    void placeAll(PagePlacer placer) throws IOException {
        placeAll(placer, 0, source.frameCount());
    }

    /// Places the pages of the frames from the first to before the end; the others are not read.
    void placeAll(PagePlacer placer, long firstFrame, long endFrame) throws IOException {
        for (int group = 0; group < source.groupCount(); group++) {
            PageSource.FrameList frames = source.frames(group);
            for (int i = 0; i < frames.size(); i++) {
                long frame = frames.get(i);
                if (frame >= firstFrame && frame < endFrame) {
                    placer.place(frame, source.read(frame, 1, PageSource.Reading.BACKGROUND));
                }
                if (++placed % REPORT_PAGES == 0) {
                    listener.progress(progress());
                }
            }
        }
        listener.progress(progress());
    }

    /// {@return what is done so far}
    RestoreListener.Progress progress() {
        return new RestoreListener.Progress(source.nonZeroCount(), placed, 0, 0, placed);
    }
}
