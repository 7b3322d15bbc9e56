package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.CaptureOptions;
import dev.dormouse.wire.MigrationStreamReader;
import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.StreamMessage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.channels.Channels;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// [StreamPlacer] into a stream that is decoded again.
class StreamPlacerTest extends PagePlacerContract {
    private static final int SECTION = 2;
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final MigrationStreamWriter out = new MigrationStreamWriter(Channels.newChannel(bytes));
    private final StreamPlacer placer = new StreamPlacer(out, LAYOUT);
    private int parts;

    @BeforeEach
    void begin() throws IOException {
        out.write(new StreamMessage.Header());
        out.write(new StreamMessage.Configuration("pc", List.of()));
        out.write(new StreamMessage.RamStart(SECTION, LAYOUT.blocks()));
        out.beginPart(SECTION, false);
        out.flush();
    }

    @Override
    PagePlacer placer() {
        return placer;
    }

    @Override
    Map<Long, byte[]> arrived() throws IOException {
        assertThat(out.bufferedBytes()).as("bytes that wait").isZero();
        out.endPart();
        out.flush();
        parts++;
        Map<Long, byte[]> pages = decode();
        out.beginPart(SECTION, false);
        out.flush();
        return pages;
    }

    private Map<Long, byte[]> decode() throws IOException {
        var channel = Channels.newChannel(new ByteArrayInputStream(bytes.toByteArray()));
        var reader = new MigrationStreamReader(channel, "test", CaptureOptions.defaults());
        Map<Long, byte[]> pages = new HashMap<>();
        for (int ended = 0; ended < parts; ) {
            switch (reader.next()) {
                case StreamMessage.Page(RamBlock block, long offset, var data) -> {
                    var page = new byte[PAGE];
                    data.get(page);
                    put(pages, LAYOUT.frame(block, offset), page);
                }
                case StreamMessage.ZeroPage(RamBlock block, long offset) ->
                    put(pages, LAYOUT.frame(block, offset), new byte[PAGE]);
                case StreamMessage.EndOfPages() -> ended++;
                default -> {}
            }
        }
        return pages;
    }

    private static void put(Map<Long, byte[]> pages, long frame, byte[] page) {
        assertThat(pages.put(frame, page)).as("frame %d is sent once", frame).isNull();
    }

    @Test
    void keepsPagesUntilTheFlush() throws Exception {
        int before = bytes.size();

        place(1, 2);

        assertThat(bytes.size()).isEqualTo(before);
        placer.flush();
        assertThat(bytes.size()).isGreaterThan(before + 2 * PAGE);
    }
}
