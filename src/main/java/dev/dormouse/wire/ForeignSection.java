package dev.dormouse.wire;

/// Sections other than `ram` that are sent in rounds. None carries a length, so none can be skipped.
final class ForeignSection {
    private ForeignSection() {}

    /// {@return what to say about a START of this name}
    static String refusal(String name) {
        String remedy = switch (name) {
            case "block" -> "switch the capability 'block' off";
            case "dirty-bitmap" -> "switch the capability 'dirty-bitmaps' off";
            case "spapr/htab", "s390-storage_attributes" -> "only x86-64 guests are supported";
            default -> name.endsWith("/vfio") ? "unplug the host device" : "remove the device that migrates in rounds";
        };
        return "section '" + name + "' cannot be captured, " + remedy;
    }
}
