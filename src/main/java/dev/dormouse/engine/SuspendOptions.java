package dev.dormouse.engine;

/// How a VM is put into an image.
///
/// @param selfContained store the pages that are on the VM's disks, too: the image is larger, and no page
///     of it depends on a disk
public record SuspendOptions(boolean selfContained) {
    public static final SuspendOptions DEFAULT = new SuspendOptions(false);
}
