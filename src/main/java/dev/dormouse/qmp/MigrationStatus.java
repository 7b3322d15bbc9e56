package dev.dormouse.qmp;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// What `query-migrate` says.
///
/// @param name for example `active` or `completed`; `none` when QEMU has had no migration
/// @param error QEMU's description of what failed
/// @param blockedReasons why this machine cannot be migrated, empty when it can
/// @param reply all of it
public record MigrationStatus(
        String name, @Nullable String error, List<String> blockedReasons, Map<String, Object> reply) {
    static MigrationStatus of(Map<String, Object> reply) {
        List<String> reasons = reply.get("blocked-reasons") instanceof List<?> list
                ? list.stream().map(String::valueOf).toList()
                : List.of();
        String name = reply.get("status") instanceof String text ? text : "none";
        return new MigrationStatus(name, reply.get("error-desc") instanceof String text ? text : null, reasons, reply);
    }

    public boolean isCompleted() {
        return name.equals("completed");
    }

    /// {@return whether nothing more happens, be it good or bad}
    public boolean hasEnded() {
        return isCompleted() || name.equals("failed") || name.equals("cancelled");
    }
}
