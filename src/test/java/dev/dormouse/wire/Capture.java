package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.base.RamBlock;
import dev.dormouse.wire.StreamMessage.Configuration;
import dev.dormouse.wire.StreamMessage.DeviceState;
import dev.dormouse.wire.StreamMessage.Page;
import dev.dormouse.wire.StreamMessage.RamPart;
import dev.dormouse.wire.StreamMessage.RamStart;
import dev.dormouse.wire.StreamMessage.VmDescription;
import dev.dormouse.wire.StreamMessage.ZeroPage;
import java.nio.ByteBuffer;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What the messages of a capture amount to.
final class Capture {
    record Place(RamBlock block, long offset) {}

    Configuration configuration = new Configuration("none", List.of());
    RamStart start = new RamStart(0, List.of());
    DeviceState devices = new DeviceState(new byte[1]);
    String json = "";
    boolean lastPart;

    /// Non-zero pages.
    final Map<Place, ByteBuffer> pages = new LinkedHashMap<>();

    final Map<String, BitSet> covered = new HashMap<>();

    void take(StreamMessage message) {
        switch (message) {
            case Configuration next -> configuration = next;
            case RamStart next -> start = next;
            case RamPart(int sectionId, boolean last) -> {
                assertThat(sectionId).isEqualTo(start.sectionId());
                lastPart |= last;
            }
            case Page(RamBlock block, long offset, ByteBuffer data) -> {
                assertThat(data.remaining()).isEqualTo(4096);
                cover(block, offset);
                pages.put(
                        new Place(block, offset),
                        ByteBuffer.allocate(4096).put(data).flip());
            }
            case ZeroPage(RamBlock block, long offset) -> {
                cover(block, offset);
                pages.remove(new Place(block, offset));
            }
            case DeviceState next -> devices = next;
            case VmDescription next -> json = next.json();
            default -> {}
        }
    }

    void cover(RamBlock block, long offset) {
        covered.computeIfAbsent(block.name(), _ -> new BitSet()).set((int) (offset / 4096));
    }

    void checkComplete() {
        assertThat(lastPart).isTrue();
        assertThat(devices.blob()[0]).isEqualTo((byte) 4);
        assertThat(Json.parseObject(json)).containsEntry("page_size", 4096L);
        assertThat(start.blocks()).extracting(RamBlock::name).contains("pc.bios", "pc.rom");
    }
}
