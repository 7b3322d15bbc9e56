package dev.dormouse.disk;

import io.avaje.jsonb.Json;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/// A disk as it was at the moment of a checkpoint.
///
/// @param layers the identity of each layer, bottom first
@Json
public record FrozenDisk(List<LayerIdentity> layers) {
    public FrozenDisk {
        layers = List.copyOf(layers);
    }

    /// Takes the identities that the layers have now; nobody may be writing them.
    public static FrozenDisk of(BackingChain chain) throws IOException {
        var identities = new ArrayList<LayerIdentity>();
        for (Layer layer : chain.layers()) {
            identities.add(LayerIdentity.of(layer));
        }
        return new FrozenDisk(identities);
    }

    public BackingChain chain() {
        return new BackingChain(layers.stream().map(LayerIdentity::layer).toList());
    }
}
