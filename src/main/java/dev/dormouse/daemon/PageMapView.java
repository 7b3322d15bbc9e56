package dev.dormouse.daemon;

import dev.dormouse.restore.PageMap;
import dev.dormouse.restore.PageMap.Fate;
import dev.dormouse.restore.PageMap.Origins;
import io.avaje.jsonb.Json;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/// What one watcher has been told of a page map, so that it is told only what has changed. One thread.
final class PageMapView {
    private static final int WORD_MAX = 0xffff;
    private static final int CHANGE_BYTES = 8;

    private final PageMaps.Entry entry;
    private final PageMap pages;
    private final Map<Fate, int[]> told = new EnumMap<>(Fate.class);

    /// The begin of a map.
    ///
    /// @param zero, onDisk how many pages of each cell are zero, and how many stand on a disk: base64 of 16 bits a
    ///     cell, low byte first; null if nobody looked while the image was there
    @Json
    record Begin(
            String operation,
            long frames,
            int pagesPerCell,
            int cells,
            @Nullable String zero,
            @Nullable String onDisk) {}

    /// @param changed base64 of four numbers of 16 bits, low byte first, for each cell that has changed: the cell, and
    ///     how many of its pages were demanded, placed as part of the working set, and prefetched
    @Json
    record Change(String operation, String changed) {}

    @Json
    record End(String operation) {}

    PageMapView(PageMaps.Entry entry) {
        this.entry = entry;
        pages = entry.pages();
        for (Fate fate : Fate.values()) {
            told.put(fate, new int[pages.cellCount()]);
        }
    }

    PageMaps.Entry entry() {
        return entry;
    }

    Begin begin() throws IOException {
        Origins origins = pages.origins();
        return new Begin(
                entry.operation(),
                pages.frameCount(),
                pages.pagesPerCell(),
                pages.cellCount(),
                origins == null ? null : words(origins::zero),
                origins == null ? null : words(origins::onDisk));
    }

    /// {@return what is new; null if nothing is}
    @Nullable
    Change change() {
        ByteBuffer bytes = buffer(pages.cellCount() * CHANGE_BYTES);
        for (int cell = 0; cell < pages.cellCount(); cell++) {
            if (note(cell)) {
                bytes.putShort((short) cell);
                for (Fate fate : Fate.values()) {
                    bytes.putShort(word(told(fate)[cell]));
                }
            }
        }
        return bytes.position() == 0 ? null : new Change(entry.operation(), base64(bytes));
    }

    End end() {
        return new End(entry.operation());
    }

    private boolean note(int cell) {
        boolean changed = false;
        for (Fate fate : Fate.values()) {
            int count = pages.count(fate, cell);
            changed |= told(fate)[cell] != count;
            told(fate)[cell] = count;
        }
        return changed;
    }

    private int[] told(Fate fate) {
        return Objects.requireNonNull(told.get(fate));
    }

    private String words(IntUnaryOperator countOfCell) {
        ByteBuffer bytes = buffer(2 * pages.cellCount());
        for (int cell = 0; cell < pages.cellCount(); cell++) {
            bytes.putShort(word(countOfCell.applyAsInt(cell)));
        }
        return base64(bytes);
    }

    private static short word(int count) {
        return (short) Math.min(count, WORD_MAX);
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    private static String base64(ByteBuffer bytes) {
        return StandardCharsets.ISO_8859_1
                .decode(Base64.getEncoder().encode(bytes.flip()))
                .toString();
    }
}
