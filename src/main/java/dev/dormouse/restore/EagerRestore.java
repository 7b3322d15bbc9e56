package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.StreamMessage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;

/// An eager restore as the source of an ordinary migration: all of the memory, then the devices, and only
/// then does the guest run. Needs no userfaultfd. The calling thread sends, to a QEMU or into a file from
/// which any QEMU can restore later; where it may, it writes what is in large blocks into QEMU's memory instead.
public final class EagerRestore {
    /// Blocks up to this size get their zero pages too: a new QEMU has put firmware into them.
    private static final long ZEROES_SENT_BYTES_MAX = 16 << 20;

    /// The guest waits for nothing else, and a busy host may let QEMU wait for long.
    private static final Duration PROOF_MAX = Duration.ofSeconds(2);

    /// Tells that the stream is complete. The image does not keep the description that QEMU wrote, and
    /// QEMU reads over it.
    private static final String DESCRIPTION = "{\"page_size\": 4096, \"devices\": []}";

    private final WritableByteChannel channel;
    private final PreparedImage image;
    private final RamLayout layout;
    private final MigrationStreamWriter out;
    private final ImagePageSource source;
    private final AllPages pages;
    private final OptionalLong writablePid;
    private long pagesWritten;

    /// A restore that sends all through the stream.
    ///
    /// @param channel blocking, and connected to QEMU if it is a socket; the caller's to close
    public EagerRestore(WritableByteChannel channel, PreparedImage image, RestoreListener listener) {
        this(channel, image, listener, OptionalLong.empty());
    }

    /// @param channel as for the other one
    /// @param writablePid of the QEMU, if its memory is anonymous, and it is permitted to write there
    ///     ([LazyRestore#isDirectPermitted])
    public EagerRestore(
            WritableByteChannel channel, PreparedImage image, RestoreListener listener, OptionalLong writablePid) {
        this.channel = channel;
        this.writablePid = writablePid;
        this.image = image;
        layout = image.layout();
        out = new MigrationStreamWriter(
                channel instanceof SocketChannel socket
                        ? new WatchedChannel("QEMU's migration", socket, listener, WatchedChannel.Limits.DEFAULT)
                        : channel);
        source = image.source();
        pages = new AllPages(source, listener);
    }

    /// Sends everything. When it returns QEMU has been given all; the guest is paused, as it was captured.
    public void run() throws IOException {
        writeFully(ByteBuffer.wrap(image.configuration()));
        out.write(new StreamMessage.RamStart(image.ramSectionId(), layout.blocks()));
        out.beginPart(image.ramSectionId(), false);
        image.endEarlyReads();
        placeAll(new StreamPlacer(out, layout));
        out.endPart();
        out.beginPart(image.ramSectionId(), true);
        out.endPart();
        out.write(image.deviceState());
        out.write(new StreamMessage.VmDescription(DESCRIPTION));
        out.write(new StreamMessage.EndOfStream());
        out.flush();
        if (channel instanceof SocketChannel socket) {
            socket.shutdownOutput(); // A machine that is told to expect no description would wait for the end.
        }
    }

    private void placeAll(StreamPlacer stream) throws IOException {
        sendZeroes(stream);
        if (writablePid.isEmpty()) {
            pages.placeAll(stream);
            return;
        }
        long pid = writablePid.getAsLong();
        try (var memory = MemoryPlacer.attach(pid, layout, stream, ZEROES_SENT_BYTES_MAX, PROOF_MAX)) {
            pages.placeAll(memory);
            pagesWritten = memory.pagesWritten();
        }
    }

    private void writeFully(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    private void sendZeroes(StreamPlacer placer) throws IOException {
        for (int i = 0; i < layout.blocks().size(); i++) {
            RamBlock block = layout.blocks().get(i);
            long first = layout.firstFrame(i);
            for (long frame = first; frame < first + smallFrames(block); frame++) {
                if (source.isZero(frame)) {
                    placer.placeZeroes(frame, 1);
                }
            }
        }
    }

    private static long smallFrames(RamBlock block) {
        return block.lengthBytes() <= ZEROES_SENT_BYTES_MAX ? block.frameCount() : 0;
    }

    /// {@return what was done}
    public RestoreReport report() {
        RestoreListener.Progress progress = progress();
        return image.report(ServingOutcome.ofAll(progress), progress.nonZeroPages(), pagesWritten, 0, List.of(), "");
    }

    /// {@return what was sent so far}
    public RestoreListener.Progress progress() {
        return pages.progress();
    }
}
