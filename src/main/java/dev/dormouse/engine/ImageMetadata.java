package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import io.avaje.jsonb.Json;
import java.util.List;
import java.util.regex.Pattern;
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
    /// The name of a VM, the time, perhaps a number.
    private static final Pattern ID = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}");

    public ImageMetadata {
        disks = List.copyOf(disks);
        missingCpuFeatures = missingCpuFeatures == null ? null : List.copyOf(missingCpuFeatures);
    }

    /// Checks that nothing is missing, which the parser does not, and that what becomes names of files and words
    /// of QEMU's command line is such.
    ///
    /// @throws IllegalArgumentException that says what is wrong
    void check() {
        require("id", id != null && ID.matcher(id).matches());
        require("vm", vm != null && Home.isName(vm));
        require("created", created != null);
        require("qemuVersion", qemuVersion != null);
        require("config", config != null);
        config.check();
        require("disks", disks.size() == config.disks().size());
        for (FrozenDisk disk : disks) {
            require("disks", !disk.layers().isEmpty());
            for (LayerIdentity identity : disk.layers()) {
                Layer layer = identity.layer();
                require(
                        "disks",
                        layer != null
                                && layer.path() != null
                                && layer.path().startsWith("/")
                                && layer.path().indexOf('\0') < 0
                                && layer.format() != null);
            }
        }
    }

    private static void require(String key, boolean valid) {
        if (!valid) {
            throw new IllegalArgumentException("'%s' is missing or not allowed".formatted(key));
        }
    }

    /// {@return per disk its layers, bottom first}
    public List<BackingChain> chains() {
        return disks.stream().map(FrozenDisk::chain).toList();
    }
}
