package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.FrozenDisk;
import io.avaje.jsonb.Json;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the engine keeps inside of an image beside the memory: enough to make a VM of it anywhere where
/// its disk layers are.
///
/// @param id also the file name without its ending
/// @param created ISO 8601
/// @param qemuVersion of the QEMU that was captured
/// @param disks as they were at the moment of the capture
/// @param captureMillis how long the guest was paused until its memory was in our hands
/// @param missingCpuFeatures of its CPU model, on the host where it was captured; null where nobody asked
@Json
public record ImageMetadata(
        String id,
        String vm,
        String created,
        String qemuVersion,
        VmConfig config,
        List<FrozenDisk> disks,
        long captureMillis,
        @Nullable List<String> missingCpuFeatures) {
    public ImageMetadata {
        disks = List.copyOf(disks);
        missingCpuFeatures = missingCpuFeatures == null ? null : List.copyOf(missingCpuFeatures);
    }

    /// {@return per disk its layers, bottom first}
    public List<BackingChain> chains() {
        return disks.stream().map(FrozenDisk::chain).toList();
    }
}
