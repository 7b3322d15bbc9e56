/// The command line: parses arguments, calls the engine, prints; no work of its own.
///
/// Imports the engine, the benchmarks and base, and of `image` and `restore` what the engine hands out.
///
/// Threads: that of `main`, and the shutdown hook of [dev.dormouse.cli.Interruption]. The page-fault
/// server of a resume runs in a background process, which is this program again.
///
/// - Facts go to standard output, everything else to standard error.
/// - With `--json` standard output holds one JSON value, and an error is a JSON object.
/// - Exit codes: 0 done, 1 failed, 2 wrong usage, 3 damaged image, 4 unsupported image, 130 interrupted.
/// - An error is one line.
@NullMarked
package dev.dormouse.cli;

import org.jspecify.annotations.NullMarked;
