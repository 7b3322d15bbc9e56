package dev.dormouse.qmp;

import dev.dormouse.base.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/// A monitor that misbehaves by script: one connection, one thread.
final class FakeMonitor implements AutoCloseable {
    static final String GREETING = "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\n";

    /// What the monitor does with its one connection; returning hangs up.
    @FunctionalInterface
    interface Script {
        void run(Peer peer) throws IOException;
    }

    /// The monitor's end of the connection.
    static final class Peer {
        private final SocketChannel channel;
        private final BufferedReader in;

        private Peer(SocketChannel channel) {
            this.channel = channel;
            this.in = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
        }

        void send(String text) throws IOException {
            ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) channel.write(bytes);
        }

        /// {@return the id of the next command, empty when the client has gone}
        String nextId() throws IOException {
            String line = in.readLine();
            return line == null ? "" : String.valueOf(Json.parseObject(line).get("id"));
        }

        /// Greets and accepts the negotiation.
        void greet() throws IOException {
            send(GREETING);
            reply(nextId(), "{}");
        }

        void reply(String id, String value) throws IOException {
            send("{\"return\": " + value + ", \"id\": \"" + id + "\"}\n");
        }

        /// Says nothing until the client goes.
        void beSilent() throws IOException {
            while (!nextId().isEmpty()) {
                // Commands are read and never answered.
            }
        }
    }

    private final ServerSocketChannel server;

    FakeMonitor(Path socket, Script script) throws IOException {
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        server.bind(UnixDomainSocketAddress.of(socket));
        Thread.ofPlatform().daemon().start(() -> serve(script));
    }

    private void serve(Script script) {
        try (SocketChannel channel = server.accept()) {
            script.run(new Peer(channel));
        } catch (IOException _) {
            // The client left first, which most scripts expect.
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
