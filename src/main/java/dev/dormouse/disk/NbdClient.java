package dev.dormouse.disk;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;

/// Reads from a server of the Network Block Device protocol: fixed newstyle handshake, `NBD_OPT_GO`, simple
/// replies; big-endian. Every wait for the server is bounded. One thread.
///
/// ```
/// server  "NBDMAGIC" "IHAVEOPT" u16 flags
/// client  u32 flags; option: "IHAVEOPT" u32 7 (GO) u32 length { u32 name length, name, u16 number of wishes }
/// server  replies: u64 magic, u32 option, u32 type, u32 length, data; the last has type 1 (ACK)
/// client  request: u32 magic, u16 flags, u16 type, u64 cookie, u64 offset, u32 length
/// server  reply: u32 magic, u32 error, u64 cookie, data
/// ```
final class NbdClient implements Closeable {
    private static final long GREETING = 0x4e42444d41474943L; // "NBDMAGIC"
    private static final long OPTION = 0x49484156454f5054L; // "IHAVEOPT"
    private static final long OPTION_REPLY = 0x3e889045565a9L;
    private static final int REQUEST = 0x25609513;
    private static final int SIMPLE_REPLY = 0x67446698;

    private static final int FIXED_NEWSTYLE = 1;
    private static final int NO_ZEROES = 2;
    private static final int OPT_GO = 7;
    private static final int REP_ACK = 1;
    private static final int REP_INFO = 3;
    private static final int INFO_EXPORT = 0;
    private static final short CMD_READ = 0;
    private static final short CMD_DISC = 2;

    private static final int REPLIES_MAX = 64;
    private static final int REPLY_DATA_BYTES_MAX = 4096;
    private static final int READ_BYTES_MAX = 1 << 20;

    private final String name;
    private final SocketChannel channel;
    private final Selector selector;
    private final Duration patience;
    private final ByteBuffer buffer = ByteBuffer.allocateDirect(REPLY_DATA_BYTES_MAX);
    private long exportBytes = -1;
    private long cookie;

    private NbdClient(String name, SocketChannel channel, Selector selector, Duration patience) {
        this.name = name;
        this.channel = channel;
        this.selector = selector;
        this.patience = patience;
    }

    /// Connects to the default export.
    ///
    /// @param name names the disk in errors
    /// @param patience how long any single answer may take
    static NbdClient connect(String name, Path socket, Duration patience) throws IOException {
        SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(socket));
        boolean complete = false;
        try {
            channel.configureBlocking(false);
            var client = new NbdClient(name, channel, Selector.open(), patience);
            channel.register(client.selector, SelectionKey.OP_READ);
            client.shakeHands();
            complete = true;
            return client;
        } finally {
            if (!complete) {
                channel.close();
            }
        }
    }

    long exportBytes() {
        return exportBytes;
    }

    private void shakeHands() throws IOException {
        ByteBuffer greeting = receive(18);
        int flags = greeting.getShort(16);
        if (greeting.getLong(0) != GREETING || greeting.getLong(8) != OPTION || (flags & FIXED_NEWSTYLE) == 0) {
            throw unexpected("greeting %#x %#x, flags %#x".formatted(greeting.getLong(0), greeting.getLong(8), flags));
        }
        buffer.clear();
        buffer.putInt(flags & (FIXED_NEWSTYLE | NO_ZEROES));
        buffer.putLong(OPTION).putInt(OPT_GO).putInt(6).putInt(0).putShort((short) 0);
        send(buffer.flip());
        for (int i = 0; i < REPLIES_MAX; i++) {
            if (isLastReply()) {
                if (exportBytes < 0) {
                    throw unexpected("an export without a size");
                }
                return;
            }
        }
        throw unexpected("more than " + REPLIES_MAX + " replies to one option");
    }

    private boolean isLastReply() throws IOException {
        ByteBuffer head = receive(20);
        long magic = head.getLong(0);
        int option = head.getInt(8);
        int type = head.getInt(12);
        int length = head.getInt(16);
        if (magic != OPTION_REPLY || option != OPT_GO || length < 0 || length > REPLY_DATA_BYTES_MAX) {
            throw unexpected(
                    "reply %#x to option %d with %d bytes".formatted(magic, option, Integer.toUnsignedLong(length)));
        }
        ByteBuffer data = receive(length);
        switch (type) {
            case REP_ACK -> {
                return true;
            }
            case REP_INFO -> {
                if (length >= 10 && data.getShort(0) == INFO_EXPORT) {
                    exportBytes = data.getLong(2);
                }
            }
            default -> throw unexpected("reply of type %#x".formatted(type));
        }
        return false;
    }

    /// Fills what remains in the buffer.
    void read(long offset, ByteBuffer into) throws IOException {
        if (offset < 0 || offset > exportBytes - into.remaining()) {
            throw new DiskException("%s: %d bytes at %d are asked for, the export has %d"
                    .formatted(name, into.remaining(), offset, exportBytes));
        }
        int end = into.limit();
        long at = offset;
        while (into.position() < end) {
            int length = Math.min(end - into.position(), READ_BYTES_MAX);
            into.limit(into.position() + length);
            readOnce(at, into);
            at += length;
            into.limit(end);
        }
    }

    private void readOnce(long offset, ByteBuffer into) throws IOException {
        request(CMD_READ, offset, into.remaining());
        ByteBuffer reply = receive(16);
        int error = reply.getInt(4);
        if (reply.getInt(0) != SIMPLE_REPLY || reply.getLong(8) != cookie) {
            throw unexpected(
                    "reply %#x with cookie %d to request %d".formatted(reply.getInt(0), reply.getLong(8), cookie));
        }
        if (error != 0) {
            throw new ReadRefusedException(name, offset, error);
        }
        receive(into);
    }

    /// The server could not read; the connection is as good as before.
    static final class ReadRefusedException extends IOException {
        private static final long serialVersionUID = 1L;

        ReadRefusedException(String name, long offset, int error) {
            super("%s: cannot be read at byte %d: error %d of qemu-nbd".formatted(name, offset, error));
        }
    }

    private void request(short type, long offset, int length) throws IOException {
        buffer.clear();
        buffer.putInt(REQUEST).putShort((short) 0).putShort(type).putLong(++cookie);
        buffer.putLong(offset).putInt(length);
        send(buffer.flip());
    }

    private ByteBuffer receive(int length) throws IOException {
        receive(buffer.clear().limit(length));
        return buffer.flip();
    }

    private void receive(ByteBuffer into) throws IOException {
        long deadline = System.nanoTime() + patience.toNanos();
        while (into.hasRemaining()) {
            int received = channel.read(into);
            if (received < 0) {
                throw new EOFException(name + ": qemu-nbd hung up");
            }
            if (received == 0) {
                await(deadline, SelectionKey.OP_READ);
            }
        }
    }

    private void send(ByteBuffer bytes) throws IOException {
        long deadline = System.nanoTime() + patience.toNanos();
        while (bytes.hasRemaining()) {
            if (channel.write(bytes) == 0) {
                await(deadline, SelectionKey.OP_WRITE);
            }
        }
    }

    private void await(long deadline, int operation) throws IOException {
        long millis = (deadline - System.nanoTime()) / 1_000_000;
        if (millis <= 0) {
            throw new DiskException("%s: qemu-nbd gave no answer in %d s".formatted(name, patience.toSeconds()));
        }
        channel.keyFor(selector).interestOps(operation);
        selector.select(millis);
        selector.selectedKeys().clear();
    }

    private DiskException unexpected(String found) {
        return new DiskException("%s: qemu-nbd sent %s, which its protocol does not allow".formatted(name, found));
    }

    /// Takes leave and hangs up.
    @Override
    public void close() throws IOException {
        try (channel;
                selector) {
            if (channel.isConnected()) {
                request(CMD_DISC, 0, 0);
            }
        }
    }
}
