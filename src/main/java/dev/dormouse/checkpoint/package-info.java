/// Turns what QEMU hands out, and the memory that it shares, into a checkpoint image.
///
/// Imports `base`, `storage`, `wire`, `image`, `disk`.
///
/// Threads: the caller reads the stream; the image writer compresses on workers of its own.
///
/// Invariant: an image is complete only if the stream was, from its first byte to the end that QEMU
/// closes; anything less is an error and leaves no image.
@NullMarked
package dev.dormouse.checkpoint;

import org.jspecify.annotations.NullMarked;
