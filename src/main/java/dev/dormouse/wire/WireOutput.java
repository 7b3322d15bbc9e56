package dev.dormouse.wire;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.GatheringByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;

/// Big-endian writes to a blocking channel through one direct buffer, which goes out when it is full or
/// on [#flush].
final class WireOutput {
    private final ByteBuffer buffer;
    private WritableByteChannel channel;
    private long sentBytes;

    WireOutput(WritableByteChannel channel, int bufferBytes) {
        this.channel = channel;
        this.buffer = ByteBuffer.allocateDirect(bufferBytes);
    }

    /// Goes on with another channel. What is still buffered belonged to the old one and is dropped.
    void reconnect(WritableByteChannel next) {
        channel = next;
        buffer.clear();
    }

    /// {@return bytes accepted so far, on all channels, buffered ones included}
    long writtenBytes() {
        return sentBytes + buffer.position();
    }

    int bufferedBytes() {
        return buffer.position();
    }

    WireOutput u8(int value) throws IOException {
        room(1).put((byte) value);
        return this;
    }

    WireOutput u16(int value) throws IOException {
        room(2).putShort((short) value);
        return this;
    }

    WireOutput u32(int value) throws IOException {
        room(4).putInt(value);
        return this;
    }

    WireOutput u64(long value) throws IOException {
        room(8).putLong(value);
        return this;
    }

    WireOutput ascii(String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
        room(bytes.length).put(bytes);
        return this;
    }

    WireOutput str8(String text) throws IOException {
        if (text.isEmpty() || text.length() > WireFormat.STR8_BYTES_MAX) {
            throw new IllegalArgumentException(
                    "name of " + text.length() + " characters, 1 to 255 are allowed on the wire");
        }
        return u8(text.length()).ascii(text);
    }

    /// Copies the remaining bytes of `data`, whose position stays.
    WireOutput copy(ByteBuffer data) throws IOException {
        int length = data.remaining();
        ByteBuffer out = room(length);
        out.put(out.position(), data, data.position(), length);
        out.position(out.position() + length);
        return this;
    }

    /// Writes bytes of any length. If they do not fit, they leave together with what is buffered, in one
    /// call where the channel can gather.
    WireOutput large(byte[] data) throws IOException {
        if (data.length <= buffer.remaining()) {
            buffer.put(data);
            return this;
        }
        buffer.flip();
        send(ByteBuffer.wrap(data));
        buffer.clear();
        return this;
    }

    void flush() throws IOException {
        if (buffer.position() > 0) {
            buffer.flip();
            while (buffer.hasRemaining()) {
                countProgress(channel.write(buffer));
            }
            buffer.clear();
        }
    }

    private void send(ByteBuffer data) throws IOException {
        if (channel instanceof GatheringByteChannel gathering) {
            ByteBuffer[] both = {buffer, data};
            while (data.hasRemaining()) {
                countProgress(gathering.write(both));
            }
            return;
        }
        while (buffer.hasRemaining()) {
            countProgress(channel.write(buffer));
        }
        while (data.hasRemaining()) {
            countProgress(channel.write(data));
        }
    }

    private void countProgress(long written) {
        if (written == 0) {
            throw new IllegalStateException("the channel of a migration writer is non-blocking");
        }
        sentBytes += written;
    }

    private ByteBuffer room(int bytes) throws IOException {
        if (buffer.remaining() < bytes) {
            flush();
        }
        return buffer;
    }
}
