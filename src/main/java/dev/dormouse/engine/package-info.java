/// The life of a VM: create, start, suspend, resume, checkpoint, restore, merge, stop. Commands and the
/// daemon call [Engine]; nobody else touches the files under the home.
///
/// Imports `base`, `storage`, `disk`, `qmp`, `image`, `checkpoint`, `restore`.
///
/// Threads: every operation runs in the caller's thread and holds the lock of its VM, which other
/// processes respect too. The thread that resumes a VM is the owner thread of its page-fault server.
///
/// Invariants (the table of states: `docs/states.md`):
/// - QEMU is let go only after the image was published; until then any failure lets the VM run on;
/// - what is on the disk of the host decides after a crash: `state.json` and `restore.json` are written
///   before what they announce happens;
/// - a layer that an image or another VM refers to is never written.
@NullMarked
package dev.dormouse.engine;

import org.jspecify.annotations.NullMarked;
