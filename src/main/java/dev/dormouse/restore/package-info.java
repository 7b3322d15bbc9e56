/// Brings a checkpoint image back into an incoming QEMU: the handshake of a postcopy migration played as
/// its source, and the page-fault server that answers the guest's demands first and fills in the rest.
///
/// Imports `base`, `storage`, `disk`, `wire`, `image`.
///
/// Threads: one owner thread per restore sends (the handshake, then [PageFaultServer]); one reader thread
/// takes the return path ([ReturnPath]). They share the [DemandQueue] and nothing else. Threads that all restores
/// of a process share ([HostBudget]) read ahead what nobody waits for ([ReadAhead]).
///
/// Java Flight Recorder sees the phases of a restore, its demands, stalls and batches of the background: events
/// `dev.dormouse.RestorePhase`, `Demand`, `Stall` and `Background`.
///
/// Invariants:
/// - no page is sent twice: it is claimed in the [PlacementAccount] before it is handed to the [PagePlacer], which
///   begins with all that went before the guest ran ([EarlyPages]);
/// - a page is verified against its checksum before it is placed, wherever it comes from; one that cannot be
///   served is a stall with a reason, never zeros and never another page;
/// - END is sent only when every non-zero page was placed, and those that were placed directly were seen to
///   be there.
@NullMarked
package dev.dormouse.restore;

import org.jspecify.annotations.NullMarked;
