package dev.dormouse.image;

import org.jspecify.annotations.Nullable;

/// What may be chosen when an image is written; the defaults are right.
///
/// @param extentPages pages in an extent, 1 to 64: more compress better, fewer are cheaper to read alone
/// @param compressionLevel zstd's, -7 (fastest) to 19
/// @param compressionThreads 1 to 64
/// @param duplicateEntriesMax distinct pages remembered to find duplicates, 32 bytes of heap each; 0
///     finds none. Beyond it a page is still compared with those remembered
/// @param key encrypts the image; null leaves it in the clear
public record WriterOptions(
        int extentPages,
        int compressionLevel,
        int compressionThreads,
        int duplicateEntriesMax,
        @Nullable ImageKey key) {
    public WriterOptions {
        check("extentPages", extentPages, 1, ImageFormat.EXTENT_PAGES_MAX);
        check("compressionLevel", compressionLevel, -7, 19);
        check("compressionThreads", compressionThreads, 1, 64);
        check("duplicateEntriesMax", duplicateEntriesMax, 0, 1 << 24);
    }

    /// 8 pages, level 1, a thread per processor up to 8, 2 Mi duplicates (8 GiB of distinct pages).
    public static WriterOptions defaults() {
        int threads = Math.clamp(Runtime.getRuntime().availableProcessors(), 1, 8);
        return new WriterOptions(ImageFormat.EXTENT_PAGES_DEFAULT, 1, threads, 1 << 21, null);
    }

    public WriterOptions withExtentPages(int pages) {
        return new WriterOptions(pages, compressionLevel, compressionThreads, duplicateEntriesMax, key);
    }

    public WriterOptions withCompressionLevel(int level) {
        return new WriterOptions(extentPages, level, compressionThreads, duplicateEntriesMax, key);
    }

    public WriterOptions withCompressionThreads(int threads) {
        return new WriterOptions(extentPages, compressionLevel, threads, duplicateEntriesMax, key);
    }

    public WriterOptions withDuplicateEntriesMax(int entries) {
        return new WriterOptions(extentPages, compressionLevel, compressionThreads, entries, key);
    }

    public WriterOptions withKey(@Nullable ImageKey newKey) {
        return new WriterOptions(extentPages, compressionLevel, compressionThreads, duplicateEntriesMax, newKey);
    }

    private static void check(String name, int value, int min, int max) {
        if (value < min || value > max) {
            throw new IllegalArgumentException(name + " is " + value + ", " + min + " to " + max + " is allowed");
        }
    }
}
