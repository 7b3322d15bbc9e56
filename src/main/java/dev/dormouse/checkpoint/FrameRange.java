package dev.dormouse.checkpoint;

/// Page frames that follow one another, numbered over all RAM blocks.
///
/// @param first the first frame
/// @param count 1 or more
public record FrameRange(long first, long count) {
    /// {@return the first frame behind the range}
    public long end() {
        return first + count;
    }
}
