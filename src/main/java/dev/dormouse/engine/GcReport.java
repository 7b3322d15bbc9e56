package dev.dormouse.engine;

import io.avaje.jsonb.Json;
import java.util.List;

/// What `dormouse gc` removed, or would remove.
///
/// @param dryRun whether everything is still there
/// @param freedBytes what the files took on the disk
/// @param passedOver what was not looked at, and why: somebody is using it
@Json
public record GcReport(boolean dryRun, List<Item> items, long freedBytes, List<String> passedOver) {
    public GcReport {
        items = List.copyOf(items);
        passedOver = List.copyOf(passedOver);
    }

    /// What an item is.
    public enum Kind {
        /// A file that was being written aside when its writer died, of an image for example.
        TEMPORARY_FILE,
        /// A folder without a state: of a creation or a removal that was cut off.
        HALF_VM,
        /// An overlay that no VM and no image names.
        OVERLAY,
        /// A socket or a pid file of a QEMU that has ended.
        SOCKET,
        /// The sockets' folder of a VM that is gone.
        RUNTIME_FOLDER,
        /// A block index of a layer that nobody names.
        INDEX,
        /// An overlay that was merged into the layer below it, which nobody else needs.
        LAYER
    }

    /// @param bytes what it took on the disk
    @Json
    public record Item(Kind kind, String path, long bytes) {}
}
