/// The block index: which blocks of a disk hold which content, so that a page of memory that also stands
/// on the disk is found by its hash. `docs/block-index.md` describes the files.
///
/// Imports `base`, `storage`, `disk`. Building and refreshing use threads of their own, one for each processor,
/// that end with the call; looking things up uses the caller's.
///
/// Invariants:
/// - an index is a hint: a page counts as on disk only after its bytes were compared with those of the block,
///   read from the frozen disk; a stale, torn or foreign index costs space, never a wrong page;
/// - only our own index files are mapped, and only after their length was checked;
/// - the heap does not grow with the disk;
/// - who changes an index holds the lock of its layer.
@NullMarked
package dev.dormouse.index;

import org.jspecify.annotations.NullMarked;
