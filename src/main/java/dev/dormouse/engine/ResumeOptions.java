package dev.dormouse.engine;

import dev.dormouse.restore.RestoreOptions;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// How a suspended VM is brought back.
///
/// @param eager load all of the memory before the guest runs; needs no userfaultfd
/// @param keepImage keep the image; the VM stays on its overlays then
/// @param discardChanges of a crashed VM: go back to the image, files written since are kept aside
/// @param restore the page-fault server's behaviour
/// @param key file of the image's key; null takes the one that the image names
public record ResumeOptions(
        boolean eager,
        boolean keepImage,
        boolean discardChanges,
        RestoreOptions restore,
        @Nullable Path key) {
    public static final ResumeOptions DEFAULT = new ResumeOptions(false, false, false, RestoreOptions.DEFAULT);

    public ResumeOptions(boolean eager, boolean keepImage, boolean discardChanges, RestoreOptions restore) {
        this(eager, keepImage, discardChanges, restore, null);
    }

    public ResumeOptions withEager(boolean value) {
        return new ResumeOptions(value, keepImage, discardChanges, restore, key);
    }

    public ResumeOptions withKeepImage(boolean value) {
        return new ResumeOptions(eager, value, discardChanges, restore, key);
    }

    public ResumeOptions withPlacement(RestoreOptions.Placement placement) {
        return new ResumeOptions(eager, keepImage, discardChanges, restore.withPlacement(placement), key);
    }

    public ResumeOptions withKey(@Nullable Path file) {
        return new ResumeOptions(eager, keepImage, discardChanges, restore, file);
    }
}
