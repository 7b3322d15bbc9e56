package dev.dormouse.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.RamBlock;
import dev.dormouse.image.FrameRanges;
import dev.dormouse.image.ImageReader;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.PageClass;
import dev.dormouse.storage.SparseFile;
import dev.dormouse.wire.ProtocolException;
import dev.dormouse.wire.StreamMessage;
import dev.dormouse.wire.StreamMessage.Subsection;
import dev.dormouse.wire.Streams;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Direct capture beside a stream as QEMU sends it with `x-ignore-shared`, and beside streams that it should not send.
class CaptureTest {
    private static final int PAGES = 600;
    private static final RamBlock ROM = new RamBlock("pc.bios", 4 * 4096);
    private static final Capture.Progress QUIET = new Capture.Progress() {
        @Override
        public void frames(long frames, long frameCount) {}

        @Override
        public void check() {}
    };

    @TempDir
    Path folder;

    private Capture capture(GuestFile guest) throws IOException {
        CaptureSource source =
                CaptureSource.stream("vm vm1").withThreads(2).withMemory("ram0", SparseFile.open(guest.path));
        return new Capture(source, blocks -> ImageWriter.create(folder.resolve("image"), blocks), QUIET);
    }

    private static byte[] stream(List<RamBlock> blocks, StreamMessage... pages) throws IOException {
        var messages = new ArrayList<StreamMessage>(List.of(
                new StreamMessage.Header(),
                new StreamMessage.Configuration(
                        "pc-q35-7.2", List.of(Subsection.ofCapabilities(List.of("x-ignore-shared")))),
                new StreamMessage.RamStart(
                        3, 4, blocks, blocks.stream().map(_ -> 0L).toList()),
                new StreamMessage.RamPart(3, true)));
        messages.addAll(List.of(pages));
        messages.addAll(List.of(
                new StreamMessage.EndOfPages(),
                Streams.devices(),
                Streams.description(),
                new StreamMessage.EndOfStream()));
        return Streams.write(messages);
    }

    private static StreamMessage rom() {
        return new StreamMessage.Page(ROM, 0, Streams.page(1));
    }

    private ImageReader publish(Capture capture) throws IOException {
        capture.writer().publish();
        return ImageReader.open(folder.resolve("image"));
    }

    @Test
    void joinsStreamAndSharedMemory() throws IOException {
        try (var guest = GuestFile.filled(folder.resolve("ram"), PAGES);
                Capture capture = capture(guest)) {
            capture.readRunning();
            guest.write(3, 4711);
            capture.readStream(Streams.channel(stream(List.of(guest.block, ROM), rom())));
            capture.readPaused();

            try (ImageReader image = publish(capture)) {
                assertThat(image.ramBlocks()).containsExactly(guest.block, ROM);
                assertThat(guest.firstDifference(image)).isEqualTo(-1);
                assertThat(image.pageClass(PAGES)).isEqualTo(PageClass.STORED);
                assertThat(image.pageClass(PAGES + 1)).isEqualTo(PageClass.ZERO);
            }
            assertThat(capture.isDirect()).isTrue();
            assertThat(capture.hotFrames()).isEqualTo(FrameRanges.of(3));
        }
    }

    /// The order of the blocks decides how frames are numbered; the first pass can only guess it.
    @Test
    void beginsAnewWhenTheSharedBlockIsNotTheFirst() throws IOException {
        try (var guest = GuestFile.filled(folder.resolve("ram"), PAGES);
                Capture capture = capture(guest)) {
            capture.readRunning();
            capture.readStream(Streams.channel(stream(List.of(ROM, guest.block), rom())));
            capture.readPaused();

            try (ImageReader image = publish(capture)) {
                assertThat(image.ramBlocks()).containsExactly(ROM, guest.block);
                assertThat(image.pageClass(0)).isEqualTo(PageClass.STORED);
                var seen = dev.dormouse.image.ImageInspection.of(image).pages();
                assertThat(seen.total()).isEqualTo(PAGES + 4);
                assertThat(seen.zero()).isLessThan(PAGES);
            }
        }
    }

    /// As QEMU 10.0 does with a memfd. Pages that do not come are zero, whatever the file says.
    @Test
    void takesTheStreamForTrueWhenItHoldsTheSharedBlock() throws IOException {
        try (var guest = GuestFile.filled(folder.resolve("ram"), PAGES);
                Capture capture = capture(guest)) {
            capture.readRunning();
            var page = new StreamMessage.Page(guest.block, 8192, Streams.page(2));
            capture.readStream(Streams.channel(stream(List.of(guest.block, ROM), page, rom())));
            capture.readPaused();

            assertThat(capture.isDirect()).isFalse();
            try (ImageReader image = publish(capture)) {
                assertThat(image.nextNonZero(0)).isEqualTo(2);
                assertThat(image.nextNonZero(3)).isEqualTo(PAGES);
                image.verifyPage(2, Streams.page(2));
            }
        }
    }

    @Test
    void refusesAStreamThatLeavesOutAnotherBlock() throws IOException {
        try (var guest = GuestFile.filled(folder.resolve("ram"), PAGES);
                Capture capture = capture(guest)) {
            byte[] stream = stream(List.of(guest.block, ROM));

            assertThatThrownBy(() -> capture.readStream(Streams.channel(stream)))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessage("capture of vm vm1: no page of RAM block 'pc.bios' came, it must not be shared memory");
        }
        assertThat(folder.resolve("image")).doesNotExist();
    }

    @Test
    void refusesAFileThatIsNotTheBlocks() throws IOException {
        try (var guest = GuestFile.filled(folder.resolve("ram"), PAGES);
                Capture capture = capture(guest)) {
            var larger = new RamBlock("ram0", guest.block.lengthBytes() + 4096);
            byte[] stream = stream(List.of(larger, ROM), rom());

            assertThatThrownBy(() -> capture.readStream(Streams.channel(stream)))
                    .isInstanceOf(ProtocolException.class)
                    .hasMessageStartingWith("capture of vm vm1: QEMU has no RAM block 'ram0' of 2457600 bytes, only ");
        }
    }
}
