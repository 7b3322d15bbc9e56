package dev.dormouse.bench;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// What a demo runs with.
///
/// @param memory of the VM, with a unit
/// @param memoryBackend as `vm create` takes it
/// @param fillMebibytes memory that the guest fills with a pattern and verifies
/// @param entropyPercent share of each of these pages that does not compress
/// @param qemu path of `qemu-system-x86_64`; found by the environment if null
public record DemoOptions(
        String memory,
        String memoryBackend,
        int fillMebibytes,
        int entropyPercent,
        @Nullable Path qemu) {
    /// A quarter of the pattern's bytes do not compress, as in the memory of real guests.
    public static final DemoOptions DEFAULT = new DemoOptions("4G", "anonymous", 512, 25, null);

    /// {@return the same with other memory; an eighth of it is filled}
    public DemoOptions withMemory(String value, long bytes) {
        int fill = (int) Math.max(32, Math.min(2048, (bytes / 8) >> 20));
        return new DemoOptions(value, memoryBackend, fill, entropyPercent, qemu);
    }

    public DemoOptions withMemoryBackend(String value) {
        return new DemoOptions(memory, value, fillMebibytes, entropyPercent, qemu);
    }

    public DemoOptions withQemu(@Nullable Path value) {
        return new DemoOptions(memory, memoryBackend, fillMebibytes, entropyPercent, value);
    }
}
