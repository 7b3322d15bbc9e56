package dev.dormouse.engine;

import java.util.List;

/// What became of the images of a VM that was removed.
///
/// @param removed ids of those that went with it
/// @param kept ids of those that stay
public record RemovalReport(List<String> removed, List<String> kept) {
    public RemovalReport {
        removed = List.copyOf(removed);
        kept = List.copyOf(kept);
    }
}
