package dev.dormouse.restore;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.CaptureOptions;
import dev.dormouse.wire.MigrationStreamReader;
import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.StreamMessage;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// [MemoryPlacer] into memory of this very process that is mapped as QEMU maps that of its guest, beside a stream
/// whose pages arrive there, or do not.
@Timeout(30)
class MemoryPlacerTest {
    private static final int PAGE = RamBlock.TARGET_PAGE_BYTES;
    private static final int SECTION = 2;
    private static final long SMALL_BYTES = 1000 * PAGE;
    private static final Duration PROOF_MAX = Duration.ofMillis(100);
    private static final RamLayout LAYOUT = new RamLayout(List.of(
            new RamBlock("ram", 1777L * PAGE),
            new RamBlock("vram", 1333L * PAGE),
            new RamBlock("rom", 1555L * PAGE),
            new RamBlock("tables", 1555L * PAGE)));
    private static final long VRAM = 1777;
    private static final long ROM = VRAM + 1333;

    private final Random random = new Random(12);
    private final Map<Long, byte[]> expected = new TreeMap<>();
    private final Map<Long, byte[]> streamed = new ConcurrentSkipListMap<>();
    private final MappedAreas areas = MappedAreas.unregistered(LAYOUT);
    private volatile boolean arrives = true;
    private Pipe pipe;
    private MigrationStreamWriter out;
    private Thread qemu;
    private MemoryPlacer placer;

    MemoryPlacerTest() throws Throwable {}

    @BeforeEach
    void begin() throws Exception {
        pipe = Pipe.open();
        out = new MigrationStreamWriter(pipe.sink());
        out.write(new StreamMessage.Header());
        out.write(new StreamMessage.Configuration("pc", List.of()));
        out.write(new StreamMessage.RamStart(SECTION, LAYOUT.blocks()));
        out.beginPart(SECTION, false);
        qemu = Thread.ofPlatform().start(this::load);
        placer = MemoryPlacer.attach(
                ProcessHandle.current().pid(), LAYOUT, new StreamPlacer(out, LAYOUT), SMALL_BYTES, PROOF_MAX);
    }

    /// As QEMU's main thread does.
    private void load() {
        try {
            var reader = new MigrationStreamReader(pipe.source(), "test", CaptureOptions.defaults());
            while (true) {
                switch (reader.next()) {
                    case StreamMessage.Page(RamBlock block, long offset, ByteBuffer data) -> {
                        var page = new byte[PAGE];
                        data.get(page);
                        long frame = LAYOUT.frame(block, offset);
                        assertThat(streamed.put(frame, page)).isNull();
                        if (arrives) {
                            memory(frame).copyFrom(MemorySegment.ofArray(page));
                        }
                    }
                    case StreamMessage.EndOfPages() -> {
                        return;
                    }
                    default -> {}
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @AfterEach
    void end() throws Exception {
        placer.close();
        pipe.sink().close();
        pipe.source().close();
        areas.close();
    }

    private MemorySegment memory(long frame) {
        return MemorySegment.ofAddress(areas.address(frame)).reinterpret(PAGE);
    }

    private void place(long frame, int count) throws IOException {
        var bytes = new byte[count * PAGE];
        random.nextBytes(bytes);
        for (int i = 0; i < count; i++) {
            expected.put(frame + i, Arrays.copyOfRange(bytes, i * PAGE, (i + 1) * PAGE));
        }
        placer.place(frame, ByteBuffer.allocateDirect(count * PAGE).put(0, bytes));
    }

    private void assertAllThere() throws Exception {
        placer.flush();
        out.endPart();
        out.flush();
        qemu.join();
        for (long frame = 0; frame < LAYOUT.frameCount(); frame++) {
            byte[] page = expected.getOrDefault(frame, new byte[PAGE]);
            assertThat(memory(frame).toArray(JAVA_BYTE)).as("frame %d", frame).isEqualTo(page);
        }
    }

    @Test
    void onlyTheFirstPageOfABlockGoesThroughTheStream() throws Exception {
        place(5, 10);
        place(100, 64);
        place(VRAM + 7, 3);
        place(20, 1);

        assertAllThere();
        assertThat(streamed).containsOnlyKeys(5L, VRAM + 7);
        assertThat(placer.pagesWritten()).isEqualTo(9 + 64 + 2 + 1);
        assertThat(placer.writtenBlocks().stream()).containsExactly(0, 1);
    }

    @Test
    void aRunAcrossTheEndOfABlockGoesIntoBoth() throws Exception {
        place(1, 1);
        place(VRAM - 2, 4);

        assertAllThere();
        assertThat(streamed).containsOnlyKeys(1L, VRAM);
    }

    @Test
    void blocksOfTheSameLengthGoThroughTheStream() throws Exception {
        place(ROM, 4);

        assertAllThere();
        assertThat(streamed).containsOnlyKeys(ROM, ROM + 1, ROM + 2, ROM + 3);
        assertThat(placer.pagesWritten()).isZero();
        assertThat(placer.writtenBlocks().isEmpty()).isTrue();
    }

    @Test
    void nothingIsWrittenWhereThePageDoesNotArrive() throws Exception {
        arrives = false;
        place(5, 3);
        place(9, 1);

        Map<Long, byte[]> sent = new TreeMap<>(expected);
        expected.clear();
        assertAllThere();
        assertThat(streamed).containsOnlyKeys(sent.keySet());
    }

    @Test
    void aPageThatIsThereBeforeProvesNothing() throws Exception {
        memory(5).fill((byte) 7);
        var page = ByteBuffer.allocateDirect(PAGE);
        MemorySegment.ofBuffer(page).fill((byte) 7);
        placer.place(5, page);
        expected.put(5L, memory(5).toArray(JAVA_BYTE));
        place(6, 2);

        assertAllThere();
        assertThat(streamed).containsOnlyKeys(5L, 6L, 7L);
    }

    @Test
    void whatIsScatteredIsGatheredUntilItsBuffersAreUsedAgain() throws Exception {
        place(5, 1);
        for (int i = 0; i < 700; i++) { // More than go into one call.
            place(1775 - 2 * i, 1);
        }
        place(VRAM + 9, 2);
        placer.settle();

        assertThat(placer.pagesWritten()).isEqualTo(700 + 1);
        assertAllThere();
        assertThat(streamed).containsOnlyKeys(5L, VRAM + 9);
    }

    @Test
    void aWriteThatIsRefusedOnItsWayGoesThroughTheStream() throws Throwable {
        place(5, 1);
        place(20, 3);
        placer.settle();
        areas.forbidWrites(102);
        arrives = false; // It would not survive that in this process.
        place(100, 2);
        place(200, 1);
        place(102, 1);
        place(VRAM + 1, 1);
        place(300, 1);
        placer.flush();
        out.endPart();
        out.flush();
        qemu.join();

        assertThat(streamed).containsOnlyKeys(5L, 100L, 101L, 102L, 200L, 300L, VRAM + 1);
        assertThat(streamed.get(101L)).isEqualTo(expected.get(101L));
        assertThat(placer.pagesWritten()).isEqualTo(3);
    }

    @Test
    void smallBlocksGoThroughTheStream() throws Exception {
        placer.close();
        placer = MemoryPlacer.attach(
                ProcessHandle.current().pid(), LAYOUT, new StreamPlacer(out, LAYOUT), 1555L * PAGE, PROOF_MAX);
        place(5, 2);
        place(VRAM, 2);

        assertAllThere();
        assertThat(streamed).containsOnlyKeys(5L, VRAM, VRAM + 1);
    }

    @Test
    void aProcessThatIsGoneIsLeftToTheStream() throws Exception {
        Process ended = new ProcessBuilder("true").start();
        ended.waitFor();
        placer.close();
        placer = MemoryPlacer.attach(ended.pid(), LAYOUT, new StreamPlacer(out, LAYOUT), SMALL_BYTES, PROOF_MAX);
        place(3, 2);

        assertAllThere();
        assertThat(streamed).containsOnlyKeys(3L, 4L);
    }
}
