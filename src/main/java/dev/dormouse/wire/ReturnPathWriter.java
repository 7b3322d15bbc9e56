package dev.dormouse.wire;

import dev.dormouse.wire.ReturnPathMessage.RecvBitmap;
import java.io.IOException;
import java.nio.channels.WritableByteChannel;
import java.util.Arrays;

/// Answers as an incoming QEMU does: for simulated peers in tests, and for a capture from a source that
/// waits for its SHUT. Each message leaves at once. One thread owns it.
public final class ReturnPathWriter {
    private static final int BUFFER_BYTES = 64 << 10;

    private final WireOutput out;

    /// @param channel blocking
    public ReturnPathWriter(WritableByteChannel channel) {
        out = new WireOutput(channel, BUFFER_BYTES);
    }

    public void write(ReturnPathMessage message) throws IOException {
        switch (message) {
            case ReturnPathMessage.Shut(int errorCode) ->
                header(WireFormat.RP_SHUT, 4).u32(errorCode);
            case ReturnPathMessage.Pong(int value) ->
                header(WireFormat.RP_PONG, 4).u32(value);
            case ReturnPathMessage.RequestBlockPages(long offset, int lengthBytes, String block) ->
                header(WireFormat.RP_REQ_PAGES_ID, 13 + block.length())
                        .u64(offset)
                        .u32(lengthBytes)
                        .str8(block);
            case ReturnPathMessage.RequestPages(long offset, int lengthBytes) ->
                header(WireFormat.RP_REQ_PAGES, 12).u64(offset).u32(lengthBytes);
            case RecvBitmap bitmap -> recvBitmap(bitmap);
            case ReturnPathMessage.ResumeAck(int value) ->
                header(WireFormat.RP_RESUME_ACK, 4).u32(value);
            case ReturnPathMessage.SwitchoverAck() -> header(WireFormat.RP_SWITCHOVER_ACK, 0);
        }
        out.flush();
    }

    private void recvBitmap(RecvBitmap bitmap) throws IOException {
        int bytes = Math.toIntExact(RecvBitmap.wireBytes(bitmap.frameCount()));
        header(WireFormat.RP_RECV_BITMAP, 1 + bitmap.block().length())
                .str8(bitmap.block())
                .u64(bytes)
                .large(Arrays.copyOf(bitmap.received().toByteArray(), bytes))
                .u64(WireFormat.RECV_BITMAP_END);
    }

    private WireOutput header(int type, int length) throws IOException {
        return out.u16(type).u16(length);
    }
}
