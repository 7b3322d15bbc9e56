/// The checkpoint image: its format, a writer that streams, a reader with random access, a verifier.
/// `docs/image-format.md` describes the file byte by byte.
///
/// Imports `base`, `storage`, the JDK and zstd-jni. A writer belongs to one thread and keeps compressing
/// threads of its own; a reader may be shared by any number of threads.
///
/// - Version 1 of the format is frozen: no build ever writes it differently or stops reading it.
/// - An image has its name only when it is complete and on the disk, and never changes after that.
/// - Every byte of the file is covered by a checksum; every page by one of its own content.
/// - A byte of the file is checked before it sizes, indexes or branches anything. Whatever the bytes
///   are, the outcome is a value, a [CorruptImageException], an [UnsupportedImageException] or a
///   failure of the storage.
/// - Frames are numbered over all RAM blocks, in their order, in pages of 4096 bytes.
@NullMarked
package dev.dormouse.image;

import org.jspecify.annotations.NullMarked;
