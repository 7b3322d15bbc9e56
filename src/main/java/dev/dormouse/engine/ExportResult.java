package dev.dormouse.engine;

import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What an export came to.
///
/// @param format `raw` or `qemu`
/// @param bytes length of the file
/// @param block of format `raw`: the RAM block that the file holds
/// @param commands of format `qemu`: what restores the guest, one command after the other; the last is QEMU
@Json
public record ExportResult(
        String image,
        String file,
        String format,
        long bytes,
        @Nullable String block,
        List<List<String>> commands) {
    public ExportResult {
        commands = commands.stream().map(List::copyOf).toList();
    }
}
