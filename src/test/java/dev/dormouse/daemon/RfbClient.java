package dev.dormouse.daemon;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;

/// A VNC client as RFC 6143 has it, without encryption, with raw rectangles.
final class RfbClient implements AutoCloseable {
    private static final int TIMEOUT_MILLIS = 30_000;
    private static final int RAW = 0;
    private final Socket socket = new Socket();
    private final DataInputStream in;
    private final DataOutputStream out;
    private final int width;
    private final int height;

    /// The server refused, with this reason.
    static final class RefusedException extends IOException {
        private static final long serialVersionUID = 1L;

        RefusedException(String reason) {
            super(reason);
        }
    }

    private long firstUpdateNanos;

    /// Connects and goes through the handshake; a VM that sleeps wakes meanwhile.
    RfbClient(InetSocketAddress address) throws IOException {
        socket.setSoTimeout(TIMEOUT_MILLIS);
        socket.setTcpNoDelay(true); // As VNC clients do: what they say is short, and each word is waited for.
        socket.connect(address, TIMEOUT_MILLIS);
        in = new DataInputStream(socket.getInputStream());
        out = new DataOutputStream(socket.getOutputStream());
        try {
            String version = new String(in.readNBytes(12), UTF_8);
            if (!version.equals("RFB 003.008\n")) {
                throw new IOException("no RFB 3.8: '" + version + "'");
            }
            out.write(version.getBytes(UTF_8));
            int types = in.readUnsignedByte();
            if (types == 0) {
                throw new RefusedException(new String(in.readNBytes(in.readInt()), UTF_8));
            }
            in.readNBytes(types);
            out.writeByte(1); // No security.
            if (in.readInt() != 0) {
                throw new IOException("the security handshake failed");
            }
            out.writeByte(1); // Shared.
            width = in.readUnsignedShort();
            height = in.readUnsignedShort();
            in.readNBytes(16); // 32 bits a pixel are what QEMU has by itself.
            in.readNBytes(in.readInt());
            out.write(new byte[] {2, 0, 0, 1, 0, 0, 0, RAW});
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }

    /// {@return all of the screen, four bytes a pixel}
    byte[] screen() throws IOException {
        out.write(updateRequest());
        byte[] screen = new byte[width * height * 4];
        long missing = (long) width * height;
        while (missing > 0) {
            int message = in.readUnsignedByte();
            if (firstUpdateNanos == 0) {
                firstUpdateNanos = System.nanoTime();
            }
            if (message != 0) {
                throw new IOException("message " + message + " where a screen was to come");
            }
            in.readByte();
            for (int rectangles = in.readUnsignedShort(); rectangles > 0; rectangles--) {
                missing -= rectangle(screen);
            }
        }
        return screen;
    }

    private byte[] updateRequest() {
        return ByteBuffer.allocate(10)
                .put((byte) 3)
                .put((byte) 0) // Not only what has changed.
                .putInt(0)
                .putShort((short) width)
                .putShort((short) height)
                .array();
    }

    /// {@return which part of two screens differs, 0 to 1}
    static double difference(byte[] one, byte[] other) {
        assertThat(one).hasSameSizeAs(other);
        long different = 0;
        for (int i = 0; i < one.length; i++) {
            different += one[i] == other[i] ? 0 : 1;
        }
        return (double) different / one.length;
    }

    /// {@return when the first bytes of the first screen came, by [System#nanoTime]}
    long firstUpdateNanos() {
        return firstUpdateNanos;
    }

    private long rectangle(byte[] screen) throws IOException {
        int x = in.readUnsignedShort();
        int y = in.readUnsignedShort();
        int columns = in.readUnsignedShort();
        int rows = in.readUnsignedShort();
        int encoding = in.readInt();
        if (encoding != RAW) {
            throw new IOException("encoding " + encoding + " was not asked for");
        }
        for (int row = 0; row < rows; row++) {
            in.readFully(screen, ((y + row) * width + x) * 4, columns * 4);
        }
        return (long) columns * rows;
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
