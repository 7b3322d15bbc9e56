package dev.dormouse.checkpoint;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.wire.CaptureOptions;
import dev.dormouse.wire.Command;
import dev.dormouse.wire.MigrationStreamReader;
import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.ProtocolException;
import dev.dormouse.wire.StreamMessage;
import dev.dormouse.wire.StreamMessage.Configuration;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import org.jspecify.annotations.Nullable;

/// Reads the stream of an ordinary (precopy) migration into an image: device state, and all memory or that
/// of the blocks that are not shared. Used once, by one thread.
final class StreamCapture {
    /// Where the stream's content goes.
    interface Sink {
        /// Called once, before any page.
        void blocks(RamLayout layout) throws IOException;

        void zero(int block, long frame) throws IOException;

        /// @param data good until the return
        void page(int block, long frame, ByteBuffer data) throws IOException;

        ImageWriter writer() throws IOException;
    }

    private final MigrationStreamReader in;
    private final Sink sink;
    private @Nullable Configuration configuration;
    private @Nullable RamLayout layout;
    private long[] recordsByBlock = {};

    /// @param ignoreShared whether the sender leaves out shared memory
    StreamCapture(ReadableByteChannel channel, String resource, boolean ignoreShared, Sink sink) {
        CaptureOptions options = CaptureOptions.defaults().withIgnoreShared(ignoreShared);
        this.in = new MigrationStreamReader(channel, "capture of " + resource, options);
        this.sink = sink;
    }

    /// Reads the stream to its end.
    ///
    /// @throws ProtocolException if the stream is not one that can be captured
    void run() throws IOException {
        while (take(in.next())) {}
    }

    /// {@return how many page records came of the block}
    long records(int block) {
        return recordsByBlock[block];
    }

    /// {@return false at the end of the stream}
    private boolean take(StreamMessage message) throws IOException {
        switch (message) {
            case StreamMessage.ZeroPage(RamBlock block, long offset) ->
                sink.zero(count(block), offset / RamBlock.TARGET_PAGE_BYTES);
            case StreamMessage.Page(RamBlock block, long offset, var data) ->
                sink.page(count(block), offset / RamBlock.TARGET_PAGE_BYTES, data);
            case Configuration received -> configuration = received.withoutCapabilities();
            case StreamMessage.RamStart start -> {
                layout = new RamLayout(start.blocks());
                recordsByBlock = new long[start.blocks().size()];
                sink.blocks(layout);
                sink.writer().setRamSectionId(start.sectionId());
            }
            case StreamMessage.DeviceState(byte[] blob) -> sink.writer().setDeviceState(blob);
            case StreamMessage.Header _, StreamMessage.RamPart _, StreamMessage.EndOfPages _ -> {}
            case StreamMessage.VmDescription _, Command _ -> {}
            case StreamMessage.EndOfStream _ -> {
                finish();
                return false;
            }
        }
        return true;
    }

    private int count(RamBlock block) {
        assert layout != null : "the reader knows the block from a RAM section";
        int index = layout.blockIndex(block);
        recordsByBlock[index]++;
        return index;
    }

    private void finish() throws IOException {
        if (configuration == null) {
            throw new ProtocolException("capture: the stream has no configuration section, "
                    + "machine types with send-configuration=off are not supported");
        }
        sink.writer().setConfiguration(encode(configuration));
    }

    /// The first bytes of a stream: header and configuration, as a restore sends them again.
    private static byte[] encode(Configuration configuration) throws IOException {
        var bytes = new ByteArrayOutputStream();
        var out = new MigrationStreamWriter(Channels.newChannel(bytes));
        out.write(new StreamMessage.Header());
        out.write(configuration);
        out.flush();
        return bytes.toByteArray();
    }
}
