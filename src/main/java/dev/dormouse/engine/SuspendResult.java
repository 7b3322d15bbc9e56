package dev.dormouse.engine;

import io.avaje.jsonb.Json;

/// What a suspend or a checkpoint came to.
///
/// @param image id of the image
/// @param file its path
/// @param nonZeroBytes memory that is not zero
/// @param storedBytes memory whose content is in the image, before compression; duplicates count once
/// @param captureMillis from the guest's stop until its memory was in our hands
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
        long captureMillis,
        long pausedMillis,
        long totalMillis) {}
