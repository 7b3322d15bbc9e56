package dev.dormouse.disk;

import io.avaje.jsonb.Json;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A disk as it was at the moment of a checkpoint.
///
/// @param layers the identity of each layer, bottom first
/// @param digests what tells the content of each layer from another; empty where that is not known
/// @param upperLayers which parts of the disk come from which layer above the bottom one; empty where that is
///     not known
@Json
public record FrozenDisk(
        List<LayerIdentity> layers,
        List<String> digests,
        @Nullable String upperLayers) {
    public FrozenDisk {
        layers = List.copyOf(layers);
        digests = List.copyOf(digests);
    }

    /// {@return the digest of a layer, empty if it is not known}
    public String digest(int layer) {
        return layer < digests.size() ? digests.get(layer) : "";
    }

    /// {@return the same with what is known of its content}
    public FrozenDisk withContent(List<String> layerDigests, String upper) {
        return new FrozenDisk(layers, layerDigests, upper);
    }

    /// Takes the identities that the layers have now; nobody may be writing them.
    public static FrozenDisk of(BackingChain chain) throws IOException {
        var identities = new ArrayList<LayerIdentity>();
        for (Layer layer : chain.layers()) {
            identities.add(LayerIdentity.of(layer));
        }
        return new FrozenDisk(identities, List.of(), null);
    }

    public BackingChain chain() {
        return new BackingChain(layers.stream().map(LayerIdentity::layer).toList());
    }
}
