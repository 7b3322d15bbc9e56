package dev.dormouse.daemon;

import io.avaje.jsonb.Json;
import org.jspecify.annotations.Nullable;

/// What the bodies of requests may hold. Each may be left out as a whole; null means "the default".
final class Bodies {
    private Bodies() {}

    /// @param discardState boot a suspended VM without its memory, which is lost then
    @Json
    record Start(@Nullable Boolean discardState) {}

    /// @param force end QEMU at once
    /// @param timeoutSeconds how long the guest may take, 60 unless given
    @Json
    record Stop(@Nullable Boolean force, @Nullable Integer timeoutSeconds) {}

    /// Of a suspend and of a checkpoint.
    ///
    /// @param selfContained store the pages that are on the VM's disks, too
    @Json
    record Capture(@Nullable Boolean selfContained) {}

    /// @param eager load all of the memory before the guest runs
    /// @param keepImage keep the image; the VM stays on its overlays
    /// @param discardChanges of a crashed VM: go back to the image
    /// @param backgroundBytesPerSecond limits what is loaded in the background; 0 loads only what
    ///     the guest waits for
    @Json
    record Resume(
            @Nullable Boolean eager,
            @Nullable Boolean keepImage,
            @Nullable Boolean discardChanges,
            @Nullable Long backgroundBytesPerSecond) {}

    /// @param name of the new VM
    @Json
    record Restore(@Nullable String name) {}
}
