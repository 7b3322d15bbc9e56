package dev.dormouse.checkpoint;

/// One walk over the guest's memory.
enum Pass {
    /// The guest stands still: what is seen is final.
    ONLY,
    /// The guest runs: what is seen is provisional.
    FIRST,
    /// The guest stands still: what differs from the first pass is put right.
    SECOND
}
