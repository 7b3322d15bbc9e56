package dev.dormouse.image;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.Consumer;

/// Compares the pages that are on disks with their checksums. They are collected in windows of bounded
/// size, and each window is read in the order of the disks, in runs. One thread, one use.
final class OnDiskVerifier {
    /// 1 GiB of memory a sweep over the disks, some 10 MB of heap.
    private static final int WINDOW_PAGES = 1 << 18;

    private static final int RUN_BLOCKS_MAX = 256;

    /// Reading over a gap of up to 64 KiB costs less than another read.
    private static final int GAP_BLOCKS_MAX = 16;

    /// @param order where its block comes when the disk is read forward
    private record Page(long frame, int disk, long block, long order) {}

    private final ImageReader image;
    private final OnDiskReader disks;
    private final Consumer<String> damages;
    private final ByteBuffer run = ByteBuffer.allocateDirect(RUN_BLOCKS_MAX * ImageFormat.PAGE_BYTES);
    private final List<Page> window = new ArrayList<>();
    private long soundPages;

    /// @param damages gets a message for each page that is not what was captured
    OnDiskVerifier(ImageReader image, OnDiskReader disks, Consumer<String> damages) {
        this.image = image;
        this.disks = disks;
        this.damages = damages;
    }

    void add(long frame, int disk, long block) throws IOException {
        window.add(new Page(frame, disk, block, disks.readingOrder(disk, block)));
        if (window.size() == WINDOW_PAGES) {
            sweep();
        }
    }

    /// Reads what was added since the last window.
    ///
    /// @return how many of all pages are sound
    long finish() throws IOException {
        sweep();
        return soundPages;
    }

    private void sweep() throws IOException {
        window.sort(Comparator.comparingInt(Page::disk).thenComparingLong(Page::order));
        int first = 0;
        while (first < window.size()) {
            int end = endOfRun(first);
            verifyRun(window.subList(first, end));
            first = end;
        }
        window.clear();
    }

    /// {@return behind the last page whose block can be read in one go with that of the first}
    private int endOfRun(int first) {
        Page start = window.get(first);
        int end = first + 1;
        while (end < window.size()) {
            Page before = window.get(end - 1);
            Page page = window.get(end);
            boolean joins = page.disk() == start.disk()
                    && page.block() >= before.block()
                    && page.block() - before.block() <= GAP_BLOCKS_MAX
                    && page.block() - start.block() < RUN_BLOCKS_MAX;
            if (!joins) {
                break;
            }
            end++;
        }
        return end;
    }

    private void verifyRun(List<Page> pages) throws IOException {
        Page start = pages.getFirst();
        int blocks = (int) (pages.getLast().block() - start.block()) + 1;
        try {
            disks.read(start.disk(), start.block(), run.clear().limit(blocks * ImageFormat.PAGE_BYTES));
        } catch (IOException e) {
            if (blocks > 1) {
                verifyOneByOne(pages);
            } else {
                pages.forEach(page -> damages.accept(describe(page) + " cannot be read: " + e.getMessage()));
            }
            return;
        }
        for (Page page : pages) {
            int at = (int) (page.block() - start.block()) * ImageFormat.PAGE_BYTES;
            verify(page, run.slice(at, ImageFormat.PAGE_BYTES));
        }
    }

    /// One bad block of a disk must not cost the report about its neighbours.
    private void verifyOneByOne(List<Page> pages) throws IOException {
        for (Page page : pages) {
            verifyRun(List.of(page));
        }
    }

    private void verify(Page page, ByteBuffer content) throws IOException {
        try {
            image.verifyPage(page.frame(), content);
            soundPages++;
        } catch (CorruptImageException _) {
            damages.accept(describe(page) + " is not what was captured, its block has another content now");
        }
    }

    private String describe(Page page) {
        return "%s: page of frame %d (disk %d, block %d)"
                .formatted(image.path(), page.frame(), page.disk(), page.block());
    }
}
