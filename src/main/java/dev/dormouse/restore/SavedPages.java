package dev.dormouse.restore;

import dev.dormouse.image.ExtentBuffer;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.PageClass;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/// Where each page of a restore is read: in the image or on a disk, or, of a page that is on a disk, in a file of
/// copies (`WorkingSetCopies`). The extents of the copies are numbered behind those of the image. The image alone says
/// what a page holds: copies of which one does not have the checksum that the image states are not used at all. Any
/// thread.
final class SavedPages {
    private final ImageReader image;
    private final @Nullable ImageReader copies;

    private SavedPages(ImageReader image, @Nullable ImageReader copies) {
        this.image = image;
        this.copies = copies;
    }

    /// @param copies of pages that are on disks, with the image's RAM blocks; null if there are none
    static SavedPages of(ImageReader image, @Nullable ImageReader copies) {
        return new SavedPages(image, copies != null && fit(image, copies) ? copies : null);
    }

    private static boolean fit(ImageReader image, ImageReader copies) {
        try {
            return areOf(image, copies);
        } catch (IOException _) {
            return false; // Should the image be what cannot be read, whoever reads it is told.
        }
    }

    private static boolean areOf(ImageReader image, ImageReader copies) throws IOException {
        if (!copies.ramBlocks().equals(image.ramBlocks())) {
            return false;
        }
        for (long frame = copies.nextNonZero(0); frame < copies.frameCount(); frame = copies.nextNonZero(frame + 1)) {
            if (image.pageClass(frame) != PageClass.ON_DISK
                    || copies.extentIndex(frame) < 0
                    || copies.checksum(frame) != image.checksum(frame)) {
                return false;
            }
        }
        return true;
    }

    ImageReader image() {
        return image;
    }

    /// What [#forEachNonZero] calls for each page.
    @FunctionalInterface
    interface Visitor {
        /// @param extent the one with the page, or with a copy of it; -1 if it is on a disk only
        /// @param location as the image has it: an extent, or a block of a disk
        /// @param slot the slot in the extent, or the number of the disk
        void visit(long frame, PageClass pageClass, int extent, long location, int slot) throws IOException;
    }

    /// Visits the pages that are not zero in ascending order.
    void forEachNonZero(Visitor visitor) throws IOException {
        image.forEachNonZero((frame, pageClass, location, slot) -> visitor.visit(
                frame, pageClass, pageClass == PageClass.ON_DISK ? copy(frame) : (int) location, location, slot));
    }

    int extentCount() {
        return image.extentCount() + (copies == null ? 0 : copies.extentCount());
    }

    /// {@return the pages in the largest extent}
    int extentPages() {
        return Math.max(image.extentPages(), copies == null ? 0 : copies.extentPages());
    }

    /// {@return the extent with the page, or with a copy of it; -1 if it is on a disk only, or zero}
    int extentIndex(long frame) throws IOException {
        int index = image.extentIndex(frame);
        return index >= 0 ? index : copy(frame);
    }

    /// {@return the slot in that extent}
    int slot(long frame) throws IOException {
        int slot = image.slot(frame);
        return slot >= 0 || copies == null ? slot : copies.slot(frame);
    }

    private int copy(long frame) throws IOException {
        int index = copies == null ? -1 : copies.extentIndex(frame);
        return index < 0 ? -1 : image.extentCount() + index;
    }

    /// {@return whether a group of pages is an extent of copies}
    boolean isOfCopies(int group) {
        return group >= image.extentCount() && group < extentCount();
    }

    /// Says that so many extents are going to be read.
    ///
    /// @return their bytes in the files
    long willNeed(int first, int count) {
        int ofImage = Math.clamp(image.extentCount() - first, 0, count);
        long bytes = ofImage == 0 ? 0 : image.willNeedExtents(first, ofImage);
        return copies == null || count == ofImage
                ? bytes
                : bytes + copies.willNeedExtents(first + ofImage - image.extentCount(), count - ofImage);
    }

    /// {@return the bytes of an extent in its file}
    int extentLengthBytes(int index) {
        return copies == null || index < image.extentCount()
                ? image.extentLengthBytes(index)
                : copies.extentLengthBytes(index - image.extentCount());
    }

    Extent newExtent() {
        return new Extent();
    }

    /// Room for one extent of the image or of the copies. One thread at a time.
    final class Extent implements AutoCloseable {
        private final ExtentBuffer ofImage = image.newExtentBuffer();
        private final @Nullable ExtentBuffer ofCopies = copies == null ? null : copies.newExtentBuffer();
        private ExtentBuffer held = ofImage;

        /// Reads, checks and decompresses it; its pages are still to be verified.
        void read(int index) throws IOException {
            if (copies == null || ofCopies == null || index < image.extentCount()) {
                held = ofImage;
                image.readExtent(index, ofImage);
            } else {
                held = ofCopies;
                copies.readExtent(index - image.extentCount(), ofCopies);
            }
        }

        int pageCount() {
            return held.pageCount();
        }

        ByteBuffer page(int slot) {
            return held.page(slot);
        }

        ByteBuffer pages(int firstSlot, int count) {
            return held.pages(firstSlot, count);
        }

        MemorySegment pageSegment(int slot) {
            return held.pageSegment(slot);
        }

        @Override
        public void close() {
            ofImage.close();
            if (ofCopies != null) {
                ofCopies.close();
            }
        }
    }
}
