package dev.dormouse.engine;

import dev.dormouse.restore.RestoreOptions;

/// How a suspended VM is brought back.
///
/// @param eager load all of the memory before the guest runs; needs no userfaultfd
/// @param keepImage keep the image; the VM stays on its overlays then
/// @param discardChanges of a crashed VM: go back to the image, files written since are kept aside
/// @param restore the page-fault server's behaviour
public record ResumeOptions(boolean eager, boolean keepImage, boolean discardChanges, RestoreOptions restore) {
    public static final ResumeOptions DEFAULT = new ResumeOptions(false, false, false, RestoreOptions.DEFAULT);

    public ResumeOptions withEager(boolean value) {
        return new ResumeOptions(value, keepImage, discardChanges, restore);
    }

    public ResumeOptions withKeepImage(boolean value) {
        return new ResumeOptions(eager, value, discardChanges, restore);
    }

    public ResumeOptions withPlacement(RestoreOptions.Placement placement) {
        return new ResumeOptions(eager, keepImage, discardChanges, restore.withPlacement(placement));
    }
}
