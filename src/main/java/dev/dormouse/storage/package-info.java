/// Files that survive a crash, locks that survive a close, hashes of pages.
///
/// Imports `base`, the JDK (with the foreign function interface) and hash4j. No threads of its own.
///
/// - A durable change is: write aside, force the file, move it atomically, force the directory. Only
///   this package does it.
/// - What is written aside ends with [AtomicFile#SUFFIX] and stands in the directory of its target.
/// - Foreign functions are bound here and nowhere above; where one is missing, the result is the same,
///   only slower.
@NullMarked
package dev.dormouse.storage;

import org.jspecify.annotations.NullMarked;
