package dev.dormouse.image;

/// What a [PageHasher] computes of a page.
///
/// @param checksum XXH3-64 without a key: what the image keeps and a reader verifies
/// @param low lower half of the image's keyed XXH3-128, by which equal pages are found
/// @param high its upper half
public record PageHash(long checksum, long low, long high) {}
