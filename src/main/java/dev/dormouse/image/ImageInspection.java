package dev.dormouse.image;

import io.avaje.jsonb.Json;
import java.io.IOException;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What an image consists of, for people and for JSON.
///
/// @param version of the format
/// @param unknownSections sections that this build does not know and may ignore
/// @param compressionRatio bytes of the pages in the extents before compression to after it; 1 if there
///     are none
@Json
public record ImageInspection(
        int version,
        int extentPages,
        int extents,
        double compressionRatio,
        Pages pages,
        Bytes bytes,
        Hints hints,
        int unknownSections,
        boolean encrypted) {

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
    /// @param extentTable, chunks, chunkDirectory what the page table consists of
    /// @param deviceState compressed
    /// @param other list of RAM blocks, list of disks, sections that this build does not know
    /// @param structure header, section directory, footer
    @Json
    public record Bytes(
            long memory,
            long nonZero,
            long image,
            long stored,
            long pageTable,
            long chunks,
            long chunkDirectory,
            long extentTable,
            long deviceState,
            long configuration,
            long metadata,
            long workingSet,
            long heatOrder,
            long other,
            long structure) {}

    /// What the image knows about the guest's use of its memory.
    ///
    /// @param workingSetPages, workingSetGroups 0 if none is recorded
    /// @param heatPages 0 if there is no heat order
    /// @param damage why a hint cannot be used; a restore goes on without it
    @Json
    public record Hints(
            long workingSetPages,
            int workingSetGroups,
            long heatPages,
            @Nullable String damage) {}

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
                bytes(image, nonZero),
                hints(image),
                image.unknownSections().size(),
                image.isEncrypted());
    }

    private static Hints hints(ImageReader image) throws IOException {
        try {
            Optional<WorkingSet> set = image.workingSet();
            return new Hints(
                    set.map(WorkingSet::frameCount).orElse(0L),
                    set.map(found -> found.groups().size()).orElse(0),
                    image.heatOrder().map(FrameRanges::frameCount).orElse(0L),
                    null);
        } catch (CorruptImageException e) {
            return new Hints(0, 0, 0, e.getMessage());
        }
    }

    private static Bytes bytes(ImageReader image, long nonZeroPages) {
        long chunks = image.sectionBytes(SectionType.PAGE_TABLE);
        long chunkDirectory = image.sectionBytes(SectionType.CHUNK_DIRECTORY);
        long extentTable = image.sectionBytes(SectionType.EXTENT_TABLE);
        long named = 0;
        for (SectionType type : SectionType.values()) {
            named += image.sectionBytes(type);
        }
        long unknown = image.allSectionBytes() - named;
        return new Bytes(
                image.frameCount() * ImageFormat.PAGE_BYTES,
                nonZeroPages * ImageFormat.PAGE_BYTES,
                image.fileLengthBytes(),
                image.sectionBytes(SectionType.EXTENTS),
                chunks + chunkDirectory + extentTable,
                chunks,
                chunkDirectory,
                extentTable,
                image.sectionBytes(SectionType.DEVICE_STATE),
                image.sectionBytes(SectionType.CONFIGURATION),
                image.sectionBytes(SectionType.METADATA),
                image.sectionBytes(SectionType.WORKING_SET),
                image.sectionBytes(SectionType.HEAT_ORDER),
                image.sectionBytes(SectionType.RAM_BLOCKS) + image.sectionBytes(SectionType.DISKS) + unknown,
                image.fileLengthBytes() - image.allSectionBytes());
    }

    private static double compressionRatio(ImageReader image) {
        if (image.extentCount() == 0) {
            return 1;
        }
        long plainPages = image.plainPages();
        return (double) plainPages * ImageFormat.PAGE_BYTES / image.sectionBytes(SectionType.EXTENTS);
    }
}
