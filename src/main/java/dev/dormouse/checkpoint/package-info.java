/// Turns what QEMU hands out, and the memory that it shares, into a checkpoint image.
///
/// Imports `base`, `storage`, `wire`, `image`, `index`, `disk`.
///
/// Threads: a [Capture] belongs to the thread that calls it, which reads the stream and writes the image.
/// Workers read shared memory, hash and look up pages; the image writer compresses on workers of its own.
///
/// - An image is complete only if the stream was, from its first byte to the end that QEMU closes, and the
///   shared memory was read after QEMU had reported its migration as completed; anything less is an error
///   and leaves no image.
/// - The same memory makes the same image, whatever the number of threads and the way it was captured, as
///   long as QEMU sends its blocks in their order.
/// - Memory in use is bounded: the batches in flight, 32 bytes for each page that a first pass has seen, the
///   writer's table. Nothing grows with a guest's holes.
@NullMarked
package dev.dormouse.checkpoint;

import org.jspecify.annotations.NullMarked;
