/// The daemon: one process that owns the VMs of a home. It serves the REST API of `docs/daemon.md`, does the work of
/// its operations with the engine in-process, and carries on at its start with what its predecessor left.
///
/// Imports the engine, what the engine hands out (`image`, `restore`, `disk`), `storage` for the lock of the home,
/// and the `catalog`.
///
/// Threads: each HTTP request has a virtual thread; each operation a thread of its own, which in a restore is the owner
/// thread of the page-fault server.
///
/// - Nothing but the engine touches VMs and images: the daemon can die at any moment, and commands work beside it.
/// - An error is one line, in the words of the engine, as `application/problem+json`.
/// - [dev.dormouse.daemon.DaemonClient] needs nothing but the JDK: it runs in the processes of the commands, which have
///   no HTTP server on their class path.
@NullMarked
package dev.dormouse.daemon;

import org.jspecify.annotations.NullMarked;
