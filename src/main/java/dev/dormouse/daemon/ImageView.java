package dev.dormouse.daemon;

import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A checkpoint image, as the API shows it.
///
/// @param usedBy the VMs whose memory it holds
/// @param error why its description cannot be read; then what follows is missing
/// @param vm whose memory was captured
/// @param created ISO 8601
/// @param memoryBytes of the VM
@Json
public record ImageView(
        String id,
        long imageBytes,
        List<String> usedBy,
        @Nullable String error,
        @Nullable String vm,
        @Nullable String created,
        @Nullable Long memoryBytes,
        @Nullable String qemuVersion) {
    /// Some of the images, in the order of their ids.
    @Json
    public record Page(List<ImageView> items, @Nullable String next) {}
}
