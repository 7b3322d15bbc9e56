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
import java.nio.channels.Channels;
import java.nio.channels.ReadableByteChannel;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Captures a VM from the stream of an ordinary (precopy) migration: the way that works with every
/// memory back end. Used once, by one thread.
public final class StreamCapture {
    /// Creates the image once the RAM blocks are known.
    public interface WriterFactory {
        ImageWriter create(List<RamBlock> blocks) throws IOException;
    }

    /// Told how much memory was seen, some thousand times during a capture.
    public interface Progress {
        /// @param frames page records read so far
        /// @param frameCount page frames of the VM
        void frames(long frames, long frameCount);
    }

    private static final int REPORT_FRAMES = 4096;
    private final MigrationStreamReader in;
    private final WriterFactory factory;
    private final Progress progress;
    private @Nullable Configuration configuration;
    private @Nullable ImageWriter writer;
    private @Nullable RamLayout layout;
    private long frames;

    /// @param channel on which QEMU sends; the caller's to close
    /// @param resource what errors call the capture, such as the name of the VM
    public StreamCapture(ReadableByteChannel channel, String resource, WriterFactory factory, Progress progress) {
        this.in = new MigrationStreamReader(channel, "capture of " + resource, CaptureOptions.defaults());
        this.factory = factory;
        this.progress = progress;
    }

    /// Reads the stream to its end.
    ///
    /// @return the image, complete but for its metadata and its publication; to be closed by the caller
    /// @throws ProtocolException if the stream is not one that can be captured; the image is gone then
    public ImageWriter run() throws IOException {
        boolean complete = false;
        try {
            while (take(in.next())) {}
            complete = true;
            return writer();
        } finally {
            if (!complete && writer != null) {
                writer.close();
            }
        }
    }

    /// {@return false at the end of the stream}
    private boolean take(StreamMessage message) throws IOException {
        switch (message) {
            case StreamMessage.ZeroPage(RamBlock block, long offset) -> {
                writer().addZero(layout().blockIndex(block), offset / RamBlock.TARGET_PAGE_BYTES);
                count();
            }
            case StreamMessage.Page(RamBlock block, long offset, var data) -> {
                writer().addPage(layout().blockIndex(block), offset / RamBlock.TARGET_PAGE_BYTES, data);
                count();
            }
            case Configuration received -> configuration = received.withoutCapabilities();
            case StreamMessage.RamStart start -> {
                layout = new RamLayout(start.blocks());
                writer = factory.create(start.blocks());
                writer.setRamSectionId(start.sectionId());
            }
            case StreamMessage.DeviceState(byte[] blob) -> writer().setDeviceState(blob);
            case StreamMessage.Header _, StreamMessage.RamPart _, StreamMessage.EndOfPages _ -> {}
            case StreamMessage.VmDescription _, Command _ -> {}
            case StreamMessage.EndOfStream _ -> {
                finish();
                return false;
            }
        }
        return true;
    }

    private void finish() throws IOException {
        if (configuration == null) {
            throw new ProtocolException("capture: the stream has no configuration section, "
                    + "machine types with send-configuration=off are not supported");
        }
        writer().setConfiguration(encode(configuration));
        progress.frames(layout().frameCount(), layout().frameCount());
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

    private void count() {
        if (++frames % REPORT_FRAMES == 0) {
            progress.frames(Math.min(frames, layout().frameCount()), layout().frameCount());
        }
    }

    private ImageWriter writer() throws ProtocolException {
        if (writer == null) {
            throw new ProtocolException("capture: the stream has no RAM section before its pages");
        }
        return writer;
    }

    private RamLayout layout() {
        if (layout == null) {
            throw new IllegalStateException("no RAM layout");
        }
        return layout;
    }
}
