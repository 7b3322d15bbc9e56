package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.StreamMessage;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// [DirectPlacer] into memory of this process that a real userfaultfd watches. Blocks of equal length go
/// into a stream, which is decoded.
class DirectPlacerTest extends PagePlacerContract {
    private static final long SELF = ProcessHandle.current().pid();
    private static final Duration TIMEOUT = Duration.ofSeconds(2);
    private final StreamPlacerTest stream = new StreamPlacerTest();
    private GuestMemory memory;
    private DirectPlacer placer;

    boolean shared() {
        return false;
    }

    @BeforeEach
    void attach() throws Throwable {
        memory = new GuestMemory(LAYOUT, shared());
        stream.begin();
        placer = DirectPlacer.attach(SELF, LAYOUT, (StreamPlacer) stream.placer(), TIMEOUT, () -> false);
    }

    @AfterEach
    void close() throws Exception {
        placer.close();
        memory.close();
    }

    @Override
    PagePlacer placer() {
        return placer;
    }

    @Override
    Map<Long, byte[]> arrived() throws Exception {
        Map<Long, byte[]> pages = stream.arrived();
        for (long frame = 0; frame < LAYOUT.frameCount(); frame++) {
            long here = frame;
            memory.page(frame)
                    .ifPresent(page -> assertThat(pages.put(here, page))
                            .as("frame %d came through the stream too", here)
                            .isNull());
        }
        return pages;
    }

    @Test
    void sendsOnlyBlocksOfEqualLengthThroughTheStream() {
        assertThat(placer.ways()).containsExactly("direct", "direct", "stream", "stream");
        assertThat(placer.isShared(0)).isEqualTo(shared());
    }

    @Test
    void wakesWhoeverWaitsForAPage() throws Throwable {
        var waiting = CompletableFuture.supplyAsync(() -> touch(21));
        memory.awaitFault();

        ByteBuffer pages = pages(20, 3);
        placer.place(20, pages);

        assertThat(waiting.get(10, TimeUnit.SECONDS)).isEqualTo(memory.page(21).orElseThrow());
        assertAllThere();
    }

    @Test
    void wakesWhoeverWaitsForAPageOfZeros() throws Throwable {
        var waiting = CompletableFuture.supplyAsync(() -> touch(VRAM + 2));
        memory.awaitFault();

        placeZero(VRAM + 2);

        assertThat(waiting.get(10, TimeUnit.SECONDS)).containsOnly(0);
    }

    private byte[] touch(long frame) {
        try {
            return memory.touch(frame);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void refusesAPageThatSomethingElseHasPutThere() throws Exception {
        place(12, 1);

        assertThatThrownBy(() -> placer.place(10, ByteBuffer.allocateDirect(4 * PAGE)))
                .isInstanceOf(RestoreException.class)
                .hasMessage("guest memory at %#x of QEMU: a page cannot be placed: File exists"
                        .formatted(memory.address(12)));
        assertThatThrownBy(() -> placer.placeZeroes(12, 1))
                .isInstanceOf(RestoreException.class)
                .hasMessageEndingWith("a page cannot be placed: File exists");
        assertThat(memory.page(12)).isPresent();
        assertThat(memory.page(13)).isEmpty();
    }

    @Test
    void aRecoveryKeepsWhatIsThereAndPlacesTheRest() throws Exception {
        place(12, 1);
        byte[] before = memory.page(12).orElseThrow();

        try (var recovering = DirectPlacer.attachForRecovery(SELF, LAYOUT, (StreamPlacer) stream.placer(), TIMEOUT)) {
            recovering.place(10, pages(10, 4));
            recovering.placeZeroes(12, 1);
        }

        assertThat(memory.page(12)).contains(before);
        assertThat(memory.page(11)).isPresent();
        assertThat(memory.page(13)).isPresent();
    }

    @Test
    void findsWhatIsMissingAndPlacesItAgain() throws Throwable {
        place(8, 8);
        place(VRAM, 8);
        memory.drop(9);
        memory.drop(VRAM + 1);
        var placed = new FrameSet(LAYOUT.frameCount());
        placed.add(3); // Never placed, but believed to be.
        for (long frame : new long[] {8, 9, 10, VRAM, VRAM + 1, ROM}) {
            placed.add(frame);
        }

        var missing = new ArrayList<Long>();
        placer.audit(0, (int) LAYOUT.frameCount(), placed, missing::add);

        assertThat(missing).containsExactly(3L, 9L, VRAM + 1);
        for (long frame : List.of(9L, VRAM + 1)) {
            assertThat(placer.placeAgain(frame, pages(frame, 1))).isTrue();
        }
        assertAllThere();
        assertThat(placer.placeAgain(9, ByteBuffer.allocateDirect(PAGE))).isFalse();
        assertAllThere();
    }

    @Test
    void looksOnlyWhereItIsToldTo() throws Throwable {
        var placed = new FrameSet(LAYOUT.frameCount());
        for (long frame = 0; frame < LAYOUT.frameCount(); frame++) {
            placed.add(frame);
        }
        var missing = new ArrayList<Long>();

        placer.audit(38, 4, placed, missing::add);

        assertThat(missing).containsExactly(38L, 39L, 40L, 41L);
    }

    /// As soon as somebody waits nothing is waited for any more: QEMU has registered what it ever will.
    @Test
    void givesUpAtOnceWhenAPageIsDemandedAndTheAreasAreOthers() throws Exception {
        var other = new dev.dormouse.base.RamLayout(LAYOUT.blocks().subList(0, 3));
        var out = new MigrationStreamWriter(Channels.newChannel(new ByteArrayOutputStream()));
        out.write(new StreamMessage.Header());
        long start = System.nanoTime();

        assertThatThrownBy(() -> DirectPlacer.attach(
                        SELF, other, new StreamPlacer(out, other), Duration.ofSeconds(20), () -> true))
                .hasMessage("process %d: the areas registered with userfaultfd are not its RAM blocks", SELF);

        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
    }
}
