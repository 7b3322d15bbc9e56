package dev.dormouse.engine;

import io.avaje.jsonb.Json;

/// What an import came to.
///
/// @param image id of the new image
/// @param file its path
@Json
public record ImportResult(
        String vm,
        String image,
        String file,
        long streamBytes,
        long imageBytes,
        long memoryBytes,
        long nonZeroBytes,
        long totalMillis) {}
