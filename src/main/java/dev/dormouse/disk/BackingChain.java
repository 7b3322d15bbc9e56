package dev.dormouse.disk;

import io.avaje.jsonb.Json;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The layers of one disk, bottom first; the last one is the active layer, which a running VM writes.
@Json
public record BackingChain(List<Layer> layers) {
    public BackingChain {
        layers = List.copyOf(layers);
    }

    /// {@return the active layer}
    public Layer top() {
        return layers.getLast();
    }

    public int depth() {
        return layers.size();
    }

    /// {@return the layers up to the topmost one that the QEMU of a VM must not open itself: it has all of these from
    /// a [LayerServer]. Null if there is none}
    public @Nullable BackingChain served() {
        int count = servedDepth();
        return count == 0 ? null : new BackingChain(layers.subList(0, count));
    }

    /// {@return how many layers, from the bottom, a [LayerServer] serves}
    public int servedDepth() {
        int count = layers.size();
        while (count > 0 && layers.get(count - 1).format().isNative()) {
            count--;
        }
        return count;
    }

    /// {@return the chain with one more layer on top}
    public BackingChain with(Layer overlay) {
        var longer = new ArrayList<>(layers);
        longer.add(overlay);
        return new BackingChain(longer);
    }

    /// {@return the chain without its top layer, which was merged}
    public BackingChain withoutTop() {
        return new BackingChain(layers.subList(0, layers.size() - 1));
    }
}
