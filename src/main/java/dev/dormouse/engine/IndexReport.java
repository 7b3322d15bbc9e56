package dev.dormouse.engine;

import io.avaje.jsonb.Json;
import java.util.List;

/// What `dormouse index` did with a disk.
///
/// @param layers that of the guest's own first
@Json
public record IndexReport(String disk, List<IndexedLayer> layers) {
    public IndexReport {
        layers = List.copyOf(layers);
    }

    /// One layer and its index.
    ///
    /// @param built false if the index was up to date
    /// @param blocks the blocks of 4 KiB that the layer holds itself and that are not zero
    /// @param readBytes what was read of the layer
    /// @param gigabytesPerSecond how fast that was; 0 if nothing was read
    /// @param indexBytes what the index holds; its file is longer, with holes
    /// @param digest of the layer's content
    @Json
    public record IndexedLayer(
            String path,
            String format,
            boolean built,
            long blocks,
            long readBytes,
            double seconds,
            double gigabytesPerSecond,
            String index,
            long indexBytes,
            String digest) {}
}
