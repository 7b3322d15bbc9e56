/// The block index: which blocks of a disk hold which content, so that a page of memory that also stands
/// on the disk is found by its hash.
///
/// Imports `base`, `storage`, `disk`.
///
/// Invariant: an index is a hint. A page counts as on disk only after its bytes were compared with those
/// of the block, read from the frozen disk; a stale, torn or foreign index costs space, never a wrong page.
@NullMarked
package dev.dormouse.index;

import org.jspecify.annotations.NullMarked;
