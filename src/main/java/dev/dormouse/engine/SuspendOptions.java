package dev.dormouse.engine;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// How a VM is put into an image.
///
/// @param selfContained store the pages that are on the VM's disks, too: the image is larger, and no page
///     of it depends on a disk
/// @param key file of the key that encrypts the image; null leaves it to the VM's configuration
public record SuspendOptions(
        boolean selfContained, @Nullable Path key) {
    public static final SuspendOptions DEFAULT = new SuspendOptions(false, null);

    public SuspendOptions(boolean selfContained) {
        this(selfContained, null);
    }

    /// {@return the file of the key, null if the image is to be in the clear}
    @Nullable
    String keyFile(VmConfig config) {
        return key == null
                ? config.imageKey()
                : key.toAbsolutePath().normalize().toString();
    }
}
