/// Measures a running guest from the host: the client of the probe in the guest, and the functions that
/// turn its reports into a work rate and a time to responsiveness.
///
/// May import `engine`, `qmp` and what those may. Threads: a [dev.dormouse.bench.GuestProbe] has two
/// readers of its own, one per port; everything else is immutable, or says who owns it.
///
/// Invariants:
/// - Times are the host's clock ([System#nanoTime]); a guest's clock stands still while it sleeps.
/// - The counters of the probe are cumulative: a report that was lost costs resolution, never counts.
/// - Bytes from a guest are foreign: checked before use, bounded before they are kept.
/// - Every wait for a guest has a bound.
@NullMarked
package dev.dormouse.bench;

import org.jspecify.annotations.NullMarked;
