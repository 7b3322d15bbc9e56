/// Brings a checkpoint image back into an incoming QEMU: the handshake of a postcopy migration played as
/// its source, and the page-fault server that answers the guest's demands first and fills in the rest.
///
/// Imports `base`, `storage`, `wire`, `image`.
///
/// Threads: one owner thread per restore sends (the handshake, then [PageFaultServer]); one reader thread
/// takes the return path ([ReturnPath]). They share the [DemandQueue] and nothing else.
///
/// Invariants:
/// - no page is sent twice: [FrameSet] is asked and marked before a page is handed to the [PagePlacer];
/// - a page is verified against its checksum before it is placed; one that cannot be served is a stall
///   with a reason, never zeros;
/// - END is sent only when every non-zero page was placed.
@NullMarked
package dev.dormouse.restore;

import org.jspecify.annotations.NullMarked;
