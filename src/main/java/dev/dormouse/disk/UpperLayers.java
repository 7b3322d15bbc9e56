package dev.dormouse.disk;

import dev.dormouse.storage.Xxh3;
import java.nio.ByteBuffer;
import java.util.HexFormat;

/// A digest of which parts of a disk come from which of its layers above the bottom one, whether as data or as
/// zeros. Two chains that have the same, and whose layers hold the same data, show the same disk: what a
/// layer has and is no data is zeros. Filled by one thread.
///
/// It does not depend on how a map is cut into extents, nor on holes of the bottom layer, which a copy may
/// fill.
final class UpperLayers {
    private final int bottom;
    private final ByteBuffer range = ByteBuffer.allocate(4 * Long.BYTES);
    private long digest;
    private long start;
    private long end;
    private long depth = -1;

    UpperLayers(int layers) {
        bottom = layers - 1;
    }

    void add(MapReader map) {
        if (map.depth() >= bottom || !map.isPresent()) {
            return;
        }
        if (depth != map.depth() || end != map.start()) {
            digest = mixed();
            depth = map.depth();
            start = map.start();
        }
        end = map.start() + map.length();
    }

    /// {@return 16 hexadecimal digits}
    String digest() {
        return HexFormat.of().toHexDigits(mixed());
    }

    private long mixed() {
        if (depth < 0) {
            return digest; // Nothing was added yet.
        }
        range.clear().putLong(digest).putLong(start).putLong(end).putLong(depth);
        return Xxh3.hash64(range.flip());
    }
}
