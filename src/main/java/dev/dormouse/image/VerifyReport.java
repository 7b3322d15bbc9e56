package dev.dormouse.image;

import io.avaje.jsonb.Json;
import java.util.List;
import java.util.stream.Stream;

/// What a full pass over an image found.
///
/// @param checkedPages pages of extents whose content fits their checksum
/// @param onDiskPages pages that are not in the image but on a disk
/// @param deep whether those were read back, too
/// @param comparedOnDiskPages those of them whose content fits their checksum; 0 unless deep
/// @param damageCount places that are damaged
/// @param damages the messages of the first 100 of them
@Json
public record VerifyReport(
        long fileLengthBytes,
        long checkedPages,
        long onDiskPages,
        boolean deep,
        long comparedOnDiskPages,
        int extents,
        long damageCount,
        List<String> damages) {

    /// {@return the report with more damages, named before the others}
    public VerifyReport withFirst(List<String> more) {
        List<String> all = Stream.concat(more.stream(), damages.stream()).toList();
        return new VerifyReport(
                fileLengthBytes,
                checkedPages,
                onDiskPages,
                deep,
                comparedOnDiskPages,
                extents,
                damageCount + more.size(),
                all);
    }

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
