package dev.dormouse.image;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One full pass over an image. Damage is noted and the pass goes on: a report of one flipped bit
/// among millions of pages should say that it is one. One thread, one use.
final class ImageVerifier {
    private static final int MESSAGES_MAX = 100;

    private final ImageReader image;
    private final @Nullable OnDiskReader disks;
    private final VerifyReport.Progress progress;
    private final List<String> damages = new ArrayList<>();
    private long damageCount;
    private final BitSet damagedChunks = new BitSet();
    private long checkedPages;
    private long onDiskPages;
    private long comparedOnDiskPages;
    private long doneBytes;
    // Extent (upper half) and frame (lower half) of every page in an extent.
    private long[] pages = new long[1 << 10];
    private int pageCount;

    /// @param disks where to find the pages that are on disks; null if they are not to be looked at
    ImageVerifier(ImageReader image, @Nullable OnDiskReader disks, VerifyReport.Progress progress) {
        this.image = image;
        this.disks = disks;
        this.progress = progress;
    }

    VerifyReport run() throws IOException {
        verify(image::deviceState);
        verifyHints();
        collectPages();
        Arrays.sort(pages, 0, pageCount);
        try (ExtentBuffer buffer = image.newExtentBuffer()) {
            int next = 0;
            for (int extent = 0; extent < image.extentCount(); extent++) {
                next = verifyExtent(extent, next, buffer);
                advance(image.extentLengthBytes(extent));
            }
        }
        if (disks != null) {
            verifyOnDisk(disks);
        }
        progress.advanced(totalBytes(), totalBytes());
        return new VerifyReport(
                image.fileLengthBytes(),
                checkedPages,
                onDiskPages,
                disks != null,
                comparedOnDiskPages,
                image.extentCount(),
                damageCount,
                List.copyOf(damages));
    }

    /// A damaged section that may be ignored is damage too, though a restore goes on without it.
    private void verifyHints() throws IOException {
        verify(image::workingSet);
        verify(image::heatOrder);
        for (Section section : image.unknownSections()) {
            verify(() -> image.readSection(section));
        }
    }

    private interface Part {
        Object read() throws IOException;
    }

    private void verify(Part part) throws IOException {
        try {
            part.read();
        } catch (CorruptImageException e) {
            note(e);
        }
    }

    private void verifyOnDisk(OnDiskReader reader) throws IOException {
        var verifier = new OnDiskVerifier(image, reader, this::note);
        forEachReadableChunk(chunk -> forEachEntry(chunk, (frame, locator) -> {
            if (PageLocator.classCode(locator) == PageClass.ON_DISK.code()) {
                verifier.add(frame, PageLocator.slot(locator), PageLocator.location(locator));
                advance(ImageFormat.PAGE_BYTES);
            }
        }));
        comparedOnDiskPages = verifier.finish();
    }

    private void advance(long bytes) {
        doneBytes += bytes;
        progress.advanced(Math.min(doneBytes, totalBytes()), totalBytes());
    }

    private long totalBytes() {
        return image.fileLengthBytes() + (disks == null ? 0 : onDiskPages * ImageFormat.PAGE_BYTES);
    }

    private void collectPages() throws IOException {
        for (int chunk = 0; chunk < image.pageTable().chunkCount(); chunk++) {
            try {
                collectPages(chunk);
            } catch (CorruptImageException e) {
                damagedChunks.set(chunk);
                note(e);
            }
        }
    }

    private void collectPages(int chunk) throws IOException {
        forEachEntry(chunk, (frame, locator) -> {
            if (ImageReader.isInExtent(locator)) {
                add((PageLocator.location(locator) << 32) | frame);
            } else if (PageLocator.classCode(locator) == PageClass.ON_DISK.code()) {
                onDiskPages++;
            }
        });
    }

    private interface ChunkVisitor {
        void visit(int chunk) throws IOException;
    }

    private interface EntryVisitor {
        void visit(long frame, long locator) throws IOException;
    }

    /// Leaves out the chunks whose damage is in the report already.
    private void forEachReadableChunk(ChunkVisitor visitor) throws IOException {
        for (int chunk = 0; chunk < image.pageTable().chunkCount(); chunk++) {
            if (!damagedChunks.get(chunk)) {
                visitor.visit(chunk);
            }
        }
    }

    private void forEachEntry(int chunk, EntryVisitor visitor) throws IOException {
        if (image.pageTable().isAllZero(chunk)) {
            return;
        }
        long first = (long) chunk * ImageFormat.CHUNK_ENTRIES;
        int entries = ImageFormat.chunkEntries(image.frameCount(), chunk);
        for (long frame = first; frame < first + entries; frame++) {
            visitor.visit(frame, image.locator(frame));
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
        note(String.valueOf(e.getMessage()));
    }

    private void note(String damage) {
        damageCount++;
        if (damages.size() < MESSAGES_MAX) {
            damages.add(damage);
        }
    }
}
