package dev.dormouse.image;

import io.avaje.jsonb.Json;
import java.util.List;

/// What a full pass over an image found.
///
/// @param checkedPages pages of extents whose content fits their checksum
/// @param onDiskPages pages that are not in the image, so not looked at
/// @param damageCount places that are damaged
/// @param damages the messages of the first 100 of them
@Json
public record VerifyReport(
        long fileLengthBytes,
        long checkedPages,
        long onDiskPages,
        int extents,
        long damageCount,
        List<String> damages) {

    public boolean isSound() {
        return damageCount == 0;
    }

    /// Hears how far a pass is, often.
    @FunctionalInterface
    public interface Progress {
        Progress NONE = (_, _) -> {};

        void advanced(long doneBytes, long totalBytes);
    }
}
