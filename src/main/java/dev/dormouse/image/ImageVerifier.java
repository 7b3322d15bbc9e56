package dev.dormouse.image;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// One full pass over an image. Damage is noted and the pass goes on: a report of one flipped bit
/// among millions of pages should say that it is one. One thread, one use.
final class ImageVerifier {
    private static final int MESSAGES_MAX = 100;

    private final ImageReader image;
    private final VerifyReport.Progress progress;
    private final List<String> damages = new ArrayList<>();
    private long damageCount;
    private long checkedPages;
    private long onDiskPages;
    // Extent (upper half) and frame (lower half) of every page in an extent.
    private long[] pages = new long[1 << 10];
    private int pageCount;

    ImageVerifier(ImageReader image, VerifyReport.Progress progress) {
        this.image = image;
        this.progress = progress;
    }

    VerifyReport run() throws IOException {
        try {
            image.deviceState();
        } catch (CorruptImageException e) {
            note(e);
        }
        collectPages();
        Arrays.sort(pages, 0, pageCount);
        try (ExtentBuffer buffer = image.newExtentBuffer()) {
            int next = 0;
            for (int extent = 0; extent < image.extentCount(); extent++) {
                next = verifyExtent(extent, next, buffer);
                progress.advanced(
                        image.extentOffset(extent) + image.extentLengthBytes(extent), image.fileLengthBytes());
            }
        }
        progress.advanced(image.fileLengthBytes(), image.fileLengthBytes());
        return new VerifyReport(
                image.fileLengthBytes(),
                checkedPages,
                onDiskPages,
                image.extentCount(),
                damageCount,
                List.copyOf(damages));
    }

    private void collectPages() throws IOException {
        for (int chunk = 0; chunk < image.pageTable().chunkCount(); chunk++) {
            try {
                collectPages(chunk);
            } catch (CorruptImageException e) {
                note(e);
            }
        }
    }

    private void collectPages(int chunk) throws IOException {
        if (image.pageTable().isAllZero(chunk)) {
            return;
        }
        long first = (long) chunk * ImageFormat.CHUNK_ENTRIES;
        int entries = ImageFormat.chunkEntries(image.frameCount(), chunk);
        for (long frame = first; frame < first + entries; frame++) {
            long locator = image.locator(frame);
            if (ImageReader.isInExtent(locator)) {
                add((PageLocator.location(locator) << 32) | frame);
            } else if (PageLocator.classCode(locator) == PageClass.ON_DISK.code()) {
                onDiskPages++;
            }
        }
    }

    private void add(long page) {
        if (pageCount == pages.length) {
            pages = Arrays.copyOf(pages, pageCount * 2);
        }
        pages[pageCount++] = page;
    }

    /// {@return the place of the next extent's first page}
    private int verifyExtent(int extent, int first, ExtentBuffer buffer) throws IOException {
        int next = first;
        boolean readable = read(extent, buffer);
        while (next < pageCount && (pages[next] >>> 32) == extent) {
            if (readable) {
                verifyPage(pages[next] & 0xffff_ffffL, buffer);
            }
            next++;
        }
        return next;
    }

    private boolean read(int extent, ExtentBuffer buffer) throws IOException {
        try {
            image.readExtent(extent, buffer);
            return true;
        } catch (CorruptImageException e) {
            note(e);
            return false;
        }
    }

    private void verifyPage(long frame, ExtentBuffer buffer) throws IOException {
        try {
            image.verifyPage(frame, buffer.page(image.slot(frame)));
            checkedPages++;
        } catch (CorruptImageException e) {
            note(e);
        }
    }

    private void note(CorruptImageException e) {
        damageCount++;
        if (damages.size() < MESSAGES_MAX) {
            damages.add(String.valueOf(e.getMessage()));
        }
    }
}
