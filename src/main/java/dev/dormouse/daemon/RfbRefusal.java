package dev.dormouse.daemon;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/// Tells a VNC client, which has been told nothing yet, why there is no screen: a failed handshake of the RFB
/// protocol (RFC 6143, 7.1.2), whose reason clients show.
final class RfbRefusal {
    private static final byte[] VERSION = "RFB 003.008\n".getBytes(StandardCharsets.US_ASCII);
    private static final int REASON_BYTES_MAX = 1000;
    private static final Duration CLIENT_PATIENCE = Duration.ofSeconds(5);

    private RfbRefusal() {}

    /// Blocks until the client has said its version, for some seconds at most. Leaves the connection to be closed.
    ///
    /// @param relay listens to the client
    static void send(SocketChannel client, Relay relay, String reason) throws IOException, InterruptedException {
        write(client, ByteBuffer.wrap(VERSION));
        byte[] version = relay.hear(VERSION.length, CLIENT_PATIENCE);
        if (version.length >= VERSION.length) {
            write(client, answer(new String(version, 0, VERSION.length, StandardCharsets.US_ASCII), reason));
        }
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

    private static void write(SocketChannel client, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            client.write(bytes);
        }
    }
}
