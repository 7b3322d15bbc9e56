package dev.dormouse.image;

/// What a writer has put into an image.
///
/// @param supersededPages pages in extents that arrived again with another content and are not referred
///     to any more
/// @param extentBytes compressed bytes of all extents so far
/// @param fileBytes length of the file; before publication, of what has been written of it
public record WriterStatistics(
        long zeroPages,
        long storedPages,
        long duplicatePages,
        long onDiskPages,
        long supersededPages,
        int extents,
        long extentBytes,
        long fileBytes) {

    public long totalPages() {
        return zeroPages + storedPages + duplicatePages + onDiskPages;
    }
}
