/// The QEMU migration stream and its return path as sealed records, read and written, for QEMU 7.2 to
/// 10.0. Byte layouts, sequences and the version policy are in `docs/protocol.md`.
///
/// Imports the JDK and `dev.dormouse.base` only.
///
/// Threads: a reader or writer belongs to one thread at a time and starts none; the records are
/// immutable as long as nobody changes the arrays and buffers that they carry.
///
/// Invariants:
/// - A byte of the peer is checked before it is used; no allocation is sized by it before a bound.
/// - A stream that ends early, or that holds anything this package does not know to be harmless, ends in
///   a [ProtocolException] that names the byte; nothing is skipped silently.
/// - What a writer writes, the reader of the same direction reads back equal.
/// - The first page record of every connection names its block.
@NullMarked
package dev.dormouse.wire;

import org.jspecify.annotations.NullMarked;
