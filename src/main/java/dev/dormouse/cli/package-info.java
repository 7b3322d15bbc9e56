/// The command line: parses arguments, calls the engine, prints; no work of its own.
///
/// Imports the engine, the benchmarks and base. One thread, that of `main`.
///
/// - Facts go to standard output, everything else to standard error.
/// - Exit codes: 0 done, 1 failed, 2 wrong usage, 3 damaged image.
@NullMarked
package dev.dormouse.cli;

import org.jspecify.annotations.NullMarked;
