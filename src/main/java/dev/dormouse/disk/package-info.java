/// The disks of a VM as files: layers, backing chains, overlays, and the identity by which a changed or
/// swapped layer is found.
///
/// Imports `base` and `storage`. No threads of its own, but those that take a program's words off its hands.
///
/// Invariants:
/// - a disk is read by positional reads or by a QEMU tool, never through a mapping; what cannot be read is an
///   error, never zeros;
/// - a layer below the top of a chain is never written, but by the merge of the layer above it;
/// - an overlay is empty until a QEMU runs on it.
@NullMarked
package dev.dormouse.disk;

import org.jspecify.annotations.NullMarked;
