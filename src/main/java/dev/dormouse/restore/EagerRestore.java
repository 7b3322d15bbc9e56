package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.MigrationStreamWriter;
import dev.dormouse.wire.StreamMessage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.util.List;

/// An eager restore as the source of an ordinary migration: all of the memory, then the devices, and only
/// then does the guest run. Needs no userfaultfd. The calling thread sends.
public final class EagerRestore {
    /// Blocks up to this size get their zero pages too: a new QEMU has put firmware into them.
    private static final long ZEROES_SENT_BYTES_MAX = 16 << 20;

    private final SocketChannel channel;
    private final PreparedImage image;
    private final RamLayout layout;
    private final MigrationStreamWriter out;
    private final ImagePageSource source;
    private final RestoreListener listener;
    private long sent;

    /// @param channel connected to QEMU, blocking; the caller's to close
    public EagerRestore(SocketChannel channel, PreparedImage image, RestoreListener listener) {
        this.channel = channel;
        this.image = image;
        this.listener = listener;
        layout = image.layout();
        out = new MigrationStreamWriter(
                new WatchedChannel("QEMU's migration", channel, listener, WatchedChannel.Limits.DEFAULT));
        source = image.source();
    }

    /// Sends everything. When it returns QEMU has been given all; the guest is paused, as it was captured.
    public void run() throws IOException {
        channel.write(ByteBuffer.wrap(image.configuration()));
        out.write(new StreamMessage.RamStart(image.ramSectionId(), layout.blocks()));
        out.beginPart(image.ramSectionId(), false);
        var placer = new StreamPlacer(out, layout);
        sendZeroes(placer);
        for (int group = 0; group < source.groupCount(); group++) {
            sendGroup(placer, source.frames(group));
        }
        out.endPart();
        out.beginPart(image.ramSectionId(), true);
        out.endPart();
        out.write(image.deviceState());
        out.write(new StreamMessage.EndOfStream());
        out.flush();
        channel.shutdownOutput(); // QEMU looks for a description behind the end, which we do not send.
        listener.progress(progress());
    }

    private void sendZeroes(StreamPlacer placer) throws IOException {
        for (int i = 0; i < layout.blocks().size(); i++) {
            RamBlock block = layout.blocks().get(i);
            long first = layout.firstFrame(i);
            for (long frame = first; frame < first + smallFrames(block); frame++) {
                if (source.isZero(frame)) {
                    placer.placeZero(frame);
                }
            }
        }
    }

    private static long smallFrames(RamBlock block) {
        return block.lengthBytes() <= ZEROES_SENT_BYTES_MAX ? block.frameCount() : 0;
    }

    private void sendGroup(StreamPlacer placer, PageSource.FrameList frames) throws IOException {
        for (int i = 0; i < frames.size(); i++) {
            placer.place(frames.get(i), source.read(frames.get(i), 1, PageSource.Reading.BACKGROUND));
            if (++sent % 4096 == 0) {
                listener.progress(progress());
            }
        }
    }

    /// {@return what was done}
    public RestoreReport report() {
        var outcome = new PageFaultServer.Outcome(progress(), 0, new DemandLatency(), 0, 0, 0, null);
        return image.report(outcome, List.of(), "");
    }

    private RestoreListener.Progress progress() {
        return new RestoreListener.Progress(source.nonZeroCount(), sent, 0, 0, sent);
    }
}
