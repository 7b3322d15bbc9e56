package dev.dormouse.image;

import io.avaje.jsonb.Json;
import java.io.IOException;

/// What an image consists of, for people and for JSON.
///
/// @param version of the format
/// @param compressionRatio bytes of the pages in the extents before compression to after it; 1 if there
///     are none
@Json
public record ImageInspection(
        int version, int extentPages, int extents, double compressionRatio, Pages pages, Bytes bytes) {

    /// The pages by class.
    @Json
    public record Pages(long total, long zero, long onDisk, long duplicate, long stored) {}

    /// The sizes of memory and of the file's parts.
    ///
    /// @param memory of the guest
    /// @param nonZero memory that is not zero
    /// @param image the whole file
    /// @param stored the extents, compressed
    /// @param pageTable with its directory and the extent table
    /// @param deviceState compressed
    @Json
    public record Bytes(
            long memory,
            long nonZero,
            long image,
            long stored,
            long pageTable,
            long deviceState,
            long configuration,
            long metadata) {}

    /// Walks the whole page table.
    public static ImageInspection of(ImageReader image) throws IOException {
        var counts = new long[5];
        image.forEachNonZero((_, pageClass, _, _) -> counts[pageClass.code()]++);
        long nonZero =
                counts[PageClass.STORED.code()] + counts[PageClass.DUPLICATE.code()] + counts[PageClass.ON_DISK.code()];
        var pages = new Pages(
                image.frameCount(),
                image.frameCount() - nonZero,
                counts[PageClass.ON_DISK.code()],
                counts[PageClass.DUPLICATE.code()],
                counts[PageClass.STORED.code()]);
        return new ImageInspection(
                image.version(),
                image.extentPages(),
                image.extentCount(),
                compressionRatio(image),
                pages,
                bytes(image, nonZero));
    }

    private static Bytes bytes(ImageReader image, long nonZeroPages) {
        return new Bytes(
                image.frameCount() * ImageFormat.PAGE_BYTES,
                nonZeroPages * ImageFormat.PAGE_BYTES,
                image.fileLengthBytes(),
                image.sectionBytes(SectionType.EXTENTS),
                image.sectionBytes(SectionType.PAGE_TABLE)
                        + image.sectionBytes(SectionType.CHUNK_DIRECTORY)
                        + image.sectionBytes(SectionType.EXTENT_TABLE),
                image.sectionBytes(SectionType.DEVICE_STATE),
                image.sectionBytes(SectionType.CONFIGURATION),
                image.sectionBytes(SectionType.METADATA));
    }

    private static double compressionRatio(ImageReader image) {
        if (image.extentCount() == 0) {
            return 1;
        }
        long plainPages = image.plainPages();
        return (double) plainPages * ImageFormat.PAGE_BYTES / image.sectionBytes(SectionType.EXTENTS);
    }
}
