/// Talks to QEMU: starts its processes, finds them again, sends QMP commands, waits for events, and
/// drives migrations and block jobs to their ends.
///
/// Imports `dev.dormouse.base` only. Each [QmpClient] owns one daemon thread that reads its socket;
/// everything else runs on the thread of the caller, which may be any.
///
/// Invariants:
/// - Every wait has a bound, and a wait ends at once when the connection is lost.
/// - A process is a pid *and* its start time; a signal goes to nobody else.
/// - What QEMU sends is bounded in length and depth before it is parsed, and checked before it is used.
/// - A QEMU that died is reported with the last lines that it wrote itself.
@NullMarked
package dev.dormouse.qmp;

import org.jspecify.annotations.NullMarked;
