package dev.dormouse.daemon;

import org.jspecify.annotations.Nullable;

/// Something that happened, as it goes to those who watch.
///
/// @param id counts up from the start of the daemon
/// @param type `vm`, `operation`, `progress`, `reset` or `closing`
/// @param vm its name, null of what concerns none
/// @param operation its id, null of what concerns none
/// @param json what happened, on one line
record Event(
        long id, String type, @Nullable String vm, @Nullable String operation, String json) {}
