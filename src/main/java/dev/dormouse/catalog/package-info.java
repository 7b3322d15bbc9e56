/// The catalog of a daemon: an SQL database beside the files of the home, which holds what was. Operations,
/// suspends, resumes and the like with their figures, who was connected when, how much memory was in use, and which VMs
/// and images there were.
///
/// Imports nothing of Dormouse but `base`. Any thread; one at a time gets at the database.
///
/// - Nothing depends on it: what is true of VMs and images is in their files. A catalog that is damaged, or of a newer
///   version, is put aside under another name, and a new one begun.
/// - Its size is bounded.
/// - The SQL is that of SQLite and of PostgreSQL alike.
@NullMarked
package dev.dormouse.catalog;

import org.jspecify.annotations.NullMarked;
