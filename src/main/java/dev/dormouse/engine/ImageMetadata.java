package dev.dormouse.engine;

import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import io.avaje.jsonb.Json;
import java.util.ArrayList;
import java.util.List;

/// What the engine keeps inside of an image beside the memory: enough to make a VM of it anywhere where
/// its disk layers are.
///
/// @param id also the file name without its ending
/// @param created ISO 8601
/// @param qemuVersion of the QEMU that was captured
/// @param disks per disk the identity of every layer, bottom first, at the moment of the capture
/// @param captureMillis how long the guest was paused until its memory was in our hands
@Json
public record ImageMetadata(
        String id,
        String vm,
        String created,
        String qemuVersion,
        VmConfig config,
        List<List<LayerIdentity>> disks,
        long captureMillis) {
    public ImageMetadata {
        disks = List.copyOf(disks);
    }

    /// {@return per disk its layers, bottom first}
    public List<List<Layer>> chains() {
        var chains = new ArrayList<List<Layer>>();
        for (List<LayerIdentity> disk : disks) {
            chains.add(disk.stream().map(LayerIdentity::layer).toList());
        }
        return chains;
    }
}
