package dev.dormouse.catalog;

import io.avaje.jsonb.Json;
import org.jspecify.annotations.Nullable;

/// A client that was connected to a front of a VM.
///
/// @param id counts up; 0 before it is in the catalog
/// @param front its name
/// @param peer the client's address
/// @param time when it came, ISO 8601
/// @param reachedMillis until it was connected to the VM; null if it never was
/// @param firstBytesMillis until the VM's first bytes were there for it; null if there were none
/// @param durationMillis until it was gone
/// @param error why it was refused
@Json
public record Visit(
        long id,
        String vm,
        String front,
        String peer,
        String time,
        @Nullable Long reachedMillis,
        @Nullable Long firstBytesMillis,
        long durationMillis,
        @Nullable String error) {}
