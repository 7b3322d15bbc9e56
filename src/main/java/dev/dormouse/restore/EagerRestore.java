package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.StreamMessage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.channels.WritableByteChannel;
import java.util.List;

/// An eager restore as the source of an ordinary migration: all of the memory, then the devices, and only
/// then does the guest run. Needs no userfaultfd. The calling thread sends, to a QEMU or into a file from
/// which any QEMU can restore later.
public final class EagerRestore {
    /// Blocks up to this size get their zero pages too: a new QEMU has put firmware into them.
    private static final long ZEROES_SENT_BYTES_MAX = 16 << 20;

    /// Tells that the stream is complete. The image does not keep the description that QEMU wrote, and
    /// QEMU reads over it.
    private static final String DESCRIPTION = "{\"page_size\": 4096, \"devices\": []}";

    private final WritableByteChannel channel;
    private final PreparedImage image;
    private final RamLayout layout;
    private final MigrationStreamWriter out;
    private final ImagePageSource source;
    private final AllPages pages;

    /// @param channel blocking, and connected to QEMU if it is a socket; the caller's to close
    public EagerRestore(WritableByteChannel channel, PreparedImage image, RestoreListener listener) {
        this.channel = channel;
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
        var placer = new StreamPlacer(out, layout);
        sendZeroes(placer);
        pages.placeAll(placer);
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
        return image.report(ServingOutcome.ofAll(progress), progress.nonZeroPages(), 0, 0, List.of(), "");
    }

    /// {@return what was sent so far}
    public RestoreListener.Progress progress() {
        return pages.progress();
    }
}
