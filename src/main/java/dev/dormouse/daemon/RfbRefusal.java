package dev.dormouse.daemon;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;

/// Tells a VNC client, which has been told nothing yet, why there is no screen: a failed handshake of the RFB
/// protocol (RFC 6143, 7.1.2), whose reason clients show.
final class RfbRefusal {
    private static final byte[] VERSION = "RFB 003.008\n".getBytes(StandardCharsets.US_ASCII);
    private static final int REASON_BYTES_MAX = 1000;
    private static final int CLIENT_SECONDS = 5;

    private RfbRefusal() {}

    /// Blocks until the client has said its version, for some seconds at most. Leaves the connection to be closed.
    static void send(SocketChannel client, String reason) throws IOException {
        write(client, ByteBuffer.wrap(VERSION));
        ByteBuffer version = ByteBuffer.allocate(VERSION.length);
        Thread limit = Thread.startVirtualThread(() -> closeLater(client));
        try {
            while (version.hasRemaining()) {
                if (client.read(version) < 0) {
                    return;
                }
            }
        } finally {
            limit.interrupt();
        }
        write(client, answer(new String(version.array(), StandardCharsets.US_ASCII), reason));
    }

    /// Version 3.3 has one word for the security type, later ones have a list of types, which is empty here.
    private static ByteBuffer answer(String version, String reason) {
        byte[] text = reason.getBytes(StandardCharsets.UTF_8);
        int length = Math.min(text.length, REASON_BYTES_MAX);
        ByteBuffer answer = ByteBuffer.allocate(8 + length);
        if (version.equals("RFB 003.003\n")) {
            answer.putInt(0);
        } else {
            answer.put((byte) 0);
        }
        return answer.putInt(length).put(text, 0, length).flip();
    }

    private static void closeLater(SocketChannel client) {
        try {
            TimeUnit.SECONDS.sleep(CLIENT_SECONDS);
            client.close();
        } catch (InterruptedException | IOException _) {
            // It has answered, or is gone.
        }
    }

    private static void write(SocketChannel client, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            client.write(bytes);
        }
    }
}
