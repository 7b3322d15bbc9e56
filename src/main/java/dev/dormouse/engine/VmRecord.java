package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import io.avaje.jsonb.Json;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The durable state of a VM, `state.json`. Replaced as a whole, never edited in place.
///
/// @param chains per disk its layers, bottom first; the last is the one on which QEMU runs or would start
/// @param image id of the image that holds the memory, or that is being restored or written; else null
/// @param overlays per disk the overlay prepared for the resume of that image; empty if there is none
/// @param qemu the QEMU of this VM, null when none was started
/// @param generation counts the overlays, for their names
/// @param since when the state was entered, ISO 8601
@Json
public record VmRecord(
        VmState state,
        List<BackingChain> chains,
        @Nullable String image,
        List<Layer> overlays,
        @Nullable ProcessRef qemu,
        long generation,
        String since) {
    public VmRecord {
        chains = List.copyOf(chains);
        overlays = List.copyOf(overlays);
    }

    VmRecord with(VmState newState, String now) {
        return new VmRecord(newState, chains, image, overlays, qemu, generation, now);
    }

    VmRecord withQemu(@Nullable ProcessRef newQemu) {
        return new VmRecord(state, chains, image, overlays, newQemu, generation, since);
    }

    VmRecord withImage(@Nullable String newImage, List<Layer> newOverlays) {
        return new VmRecord(state, chains, newImage, newOverlays, qemu, generation, since);
    }

    VmRecord withChains(List<BackingChain> newChains) {
        return new VmRecord(state, newChains, image, overlays, qemu, generation, since);
    }

    VmRecord withGeneration(long newGeneration) {
        return new VmRecord(state, chains, image, overlays, qemu, newGeneration, since);
    }

    /// {@return the layers on which a guest runs that was resumed onto the prepared overlays}
    List<BackingChain> chainsWithOverlays() {
        var result = new ArrayList<BackingChain>();
        for (int i = 0; i < chains.size(); i++) {
            result.add(chains.get(i).with(overlays.get(i)));
        }
        return result;
    }
}
