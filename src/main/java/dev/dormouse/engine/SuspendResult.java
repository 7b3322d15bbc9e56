package dev.dormouse.engine;

import io.avaje.jsonb.Json;

/// What a suspend or a checkpoint came to.
///
/// @param image id of the image
/// @param file its path
/// @param nonZeroBytes memory that is not zero
/// @param storedBytes memory whose content is in the image, before compression; duplicates count once
/// @param duplicateBytes memory that is in the image as another page
/// @param onDiskBytes memory that is left out because the VM's disks hold it
/// @param direct whether shared memory was read directly, and not QEMU's stream
/// @param captureMillis until the guest's memory was in our hands; of a checkpoint of shared memory most of it
///     passes while the guest runs
/// @param pausedMillis from the guest's stop until the image was published
/// @param totalMillis from the call until QEMU had ended, or the guest ran again
@Json
public record SuspendResult(
        String vm,
        String image,
        String file,
        long imageBytes,
        long memoryBytes,
        long nonZeroBytes,
        long storedBytes,
        long duplicateBytes,
        long onDiskBytes,
        boolean direct,
        long captureMillis,
        long pausedMillis,
        long totalMillis) {}
