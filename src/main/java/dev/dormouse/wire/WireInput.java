package dev.dormouse.wire;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ReadableByteChannel;
import java.util.Arrays;

/// Big-endian reads from a blocking channel through one direct buffer. Every read first makes sure that
/// its bytes are there; an early end becomes a [ProtocolException] that says where and inside what.
///
/// Bytes move once, from the channel into the buffer: page data is handed out as views of it. Only the
/// few bytes of a record that the buffer's end cuts are moved to its front.
final class WireInput {
    /// With less room than this at the end of the buffer, the unread bytes move to its front: small
    /// reads cost more than moving a page.
    private static final int ROOM_BYTES_MIN = 128 << 10;

    private static final int GROWTH_BYTES_START = 1 << 20;

    private final ReadableByteChannel channel;
    private final String resource;
    private final ByteBuffer buffer;
    private final int roomBytesMin;
    private long receivedBytes;
    private String place = "header";

    WireInput(ReadableByteChannel channel, String resource, int bufferBytes) {
        this.channel = channel;
        this.resource = resource;
        this.buffer = ByteBuffer.allocateDirect(bufferBytes).limit(0);
        this.roomBytesMin = Math.min(ROOM_BYTES_MIN, bufferBytes / 4);
    }

    /// Names what is being read from here on, for the text of errors.
    void enter(String newPlace) {
        place = newPlace;
    }

    /// {@return how many bytes were read off}
    long position() {
        return receivedBytes - buffer.remaining();
    }

    int u8() throws IOException {
        require(1);
        return buffer.get() & 0xff;
    }

    int peekU8() throws IOException {
        require(1);
        return buffer.get(buffer.position()) & 0xff;
    }

    int u16() throws IOException {
        require(2);
        return buffer.getShort() & 0xffff;
    }

    int s32() throws IOException {
        require(4);
        return buffer.getInt();
    }

    long u32() throws IOException {
        return s32() & 0xffff_ffffL;
    }

    long s64() throws IOException {
        require(8);
        return buffer.getLong();
    }

    /// Reads a length byte and that many bytes of printable ASCII, at least one.
    String str8() throws IOException {
        int length = u8();
        if (length == 0) {
            throw error("empty name");
        }
        return ascii(length);
    }

    /// Reads printable ASCII; `length` was bounded by the caller.
    String ascii(int length) throws IOException {
        require(length);
        char[] text = new char[length];
        for (int i = 0; i < length; i++) {
            byte next = buffer.get();
            if (next < 0x20 || next == 0x7f) {
                throw error("name with byte 0x%02x, printable ASCII is allowed".formatted(next));
            }
            text[i] = (char) next;
        }
        return new String(text);
    }

    /// Reads off `length` bytes and returns a view of them, valid until the next read.
    ByteBuffer view(int length) throws IOException {
        require(length);
        int start = buffer.position();
        buffer.position(start + length);
        return buffer.slice(start, length);
    }

    /// Reads `length` bytes, bounded by the caller. Memory grows with what really arrives, so a length
    /// that the peer made up costs nothing.
    byte[] bytes(int length) throws IOException {
        byte[] bytes = new byte[Math.min(length, GROWTH_BYTES_START)];
        int filled = 0;
        while (true) {
            if (filled == length) {
                return bytes;
            }
            if (filled == bytes.length) {
                bytes = Arrays.copyOf(bytes, (int) Math.min(length, bytes.length * 2L));
            }
            require(1);
            filled += take(bytes, filled);
        }
    }

    /// Reads until the peer closes.
    ///
    /// @return the bytes, behind them unused room
    ByteBuffer rest(int bytesMax, String remedy) throws IOException {
        byte[] bytes = new byte[Math.min(bytesMax, GROWTH_BYTES_START)];
        int filled = 0;
        while (!atEnd()) {
            if (filled == bytesMax) {
                throw error("more than " + bytesMax + " bytes follow the pages, " + remedy);
            }
            if (filled == bytes.length) {
                bytes = Arrays.copyOf(bytes, (int) Math.min(bytesMax, bytes.length * 2L));
            }
            filled += take(bytes, filled);
        }
        return ByteBuffer.wrap(bytes, 0, filled);
    }

    /// {@return whether the peer has closed and everything was read off; blocks until that is known}
    boolean atEnd() throws IOException {
        return !buffer.hasRemaining() && !fill(1);
    }

    /// {@return an error at the current byte}
    ProtocolException error(String what) {
        return new ProtocolException("%s: byte %d, %s: %s".formatted(resource, position(), place, what));
    }

    ProtocolException error(String what, Throwable cause) {
        return new ProtocolException("%s: byte %d, %s: %s".formatted(resource, position(), place, what), cause);
    }

    private int take(byte[] target, int filled) {
        int count = Math.min(buffer.remaining(), target.length - filled);
        buffer.get(target, filled, count);
        return count;
    }

    private void require(int bytes) throws IOException {
        if (buffer.remaining() < bytes && !fill(bytes)) {
            throw new ProtocolException("%s: stream ends at byte %d inside %s, %d more bytes are needed"
                    .formatted(resource, receivedBytes, place, bytes - buffer.remaining()));
        }
    }

    /// Makes `bytes` bytes readable.
    ///
    /// @return false if the peer closed before
    private boolean fill(int bytes) throws IOException {
        assert bytes <= buffer.capacity() / 2 : bytes + " bytes at once";
        int room = buffer.capacity() - buffer.limit();
        if (room < roomBytesMin || buffer.capacity() - buffer.position() < bytes) {
            buffer.compact().flip();
        }
        int start = buffer.position();
        buffer.position(buffer.limit()).limit(buffer.capacity());
        try {
            while (buffer.position() - start < bytes) {
                if (!receive()) {
                    return false;
                }
            }
            return true;
        } finally {
            buffer.limit(buffer.position()).position(start);
        }
    }

    private boolean receive() throws IOException {
        int count;
        try {
            count = channel.read(buffer);
        } catch (ClosedChannelException e) {
            throw e; // Closed on our side: not the peer's fault.
        } catch (IOException e) {
            throw new ProtocolException(
                    "%s: connection broke at byte %d inside %s".formatted(resource, receivedBytes, place), e);
        }
        if (count == 0) {
            throw new IllegalStateException(resource + ": the channel is non-blocking");
        }
        receivedBytes += Math.max(count, 0);
        return count > 0;
    }
}
