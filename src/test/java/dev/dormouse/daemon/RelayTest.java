package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Bytes go through a relay as they came, whatever the ends do.
@Timeout(value = 30, unit = TimeUnit.SECONDS)
class RelayTest {
    private static final int MEBIBYTES = 32;

    /// Two connections with a relay between.
    private record Pair(SocketChannel client, SocketChannel server, Thread relay) implements AutoCloseable {
        static Pair connect() throws IOException {
            try (ServerSocketChannel listener = ServerSocketChannel.open()) {
                listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
                SocketChannel client = SocketChannel.open(listener.getLocalAddress());
                SocketChannel clientEnd = listener.accept();
                SocketChannel server = SocketChannel.open(listener.getLocalAddress());
                SocketChannel serverEnd = listener.accept();
                Thread relay = Thread.startVirtualThread(() -> {
                    try {
                        Relay.listenTo(clientEnd, () -> {}, () -> {}).run(serverEnd, _ -> {}, _ -> {});
                    } catch (IOException | InterruptedException e) {
                        throw new AssertionError(e);
                    }
                });
                return new Pair(client, server, relay);
            }
        }

        @Override
        public void close() throws IOException {
            client.close();
            server.close();
        }
    }

    @Test
    void passesBytesBothWaysAtOnceInSmallAndLargePieces() throws Exception {
        try (Pair pair = Pair.connect()) {
            Thread up = Thread.startVirtualThread(() -> send(pair.client(), 1));
            Thread down = Thread.startVirtualThread(() -> send(pair.server(), 2));
            Thread received = Thread.startVirtualThread(() -> receive(pair.server(), 1));

            receive(pair.client(), 2);

            received.join();
            up.join();
            down.join();
            pair.relay().join();
            assertThat(pair.client().read(ByteBuffer.allocate(1))).isEqualTo(-1);
        }
    }

    @Test
    void whoHasSentEverythingStillGetsTheAnswer() throws Exception {
        try (Pair pair = Pair.connect()) {
            pair.client().write(ByteBuffer.wrap(new byte[] {1, 2, 3}));
            pair.client().shutdownOutput();
            ByteBuffer request = ByteBuffer.allocate(10);
            while (pair.server().read(request) >= 0) {}

            pair.server().write(ByteBuffer.wrap(new byte[] {4, 5}));
            pair.server().close();

            ByteBuffer answer = ByteBuffer.allocate(10);
            while (pair.client().read(answer) >= 0) {}
            assertThat(request.position()).isEqualTo(3);
            assertThat(answer.position()).isEqualTo(2);
            pair.relay().join();
        }
    }

    @Test
    void whatWasSaidEarlyComesFirstAndAClientThatGoesBeforeIsNoticed() throws Exception {
        try (ServerSocketChannel listener = ServerSocketChannel.open()) {
            listener.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            var gone = new java.util.concurrent.CountDownLatch(1);
            try (SocketChannel client = SocketChannel.open(listener.getLocalAddress());
                    SocketChannel clientEnd = listener.accept()) {
                Relay.listenTo(clientEnd, gone::countDown, () -> {});
                client.shutdownOutput();
                assertThat(gone.await(10, TimeUnit.SECONDS)).isTrue();
            }
            try (SocketChannel client = SocketChannel.open(listener.getLocalAddress());
                    SocketChannel clientEnd = listener.accept();
                    SocketChannel server = SocketChannel.open(listener.getLocalAddress());
                    SocketChannel serverEnd = listener.accept()) {
                Relay relay = Relay.listenTo(clientEnd, () -> {}, () -> {});
                client.write(ByteBuffer.wrap(new byte[3000]));
                assertThat(relay.hear(2048, java.time.Duration.ofSeconds(10))).hasSize(2048);
                Thread passing = Thread.startVirtualThread(() -> {
                    try {
                        relay.run(serverEnd, _ -> {}, _ -> {});
                    } catch (IOException | InterruptedException e) {
                        throw new AssertionError(e);
                    }
                });
                client.write(ByteBuffer.wrap(new byte[] {1, 2, 3}));
                client.shutdownOutput();
                ByteBuffer received = ByteBuffer.allocate(4000);
                while (server.read(received) >= 0) {}
                server.shutdownOutput();
                passing.join();
                assertThat(received.position()).isEqualTo(3003);
                assertThat(received.get(3002)).isEqualTo((byte) 3);
            }
        }
    }

    @Test
    void endsWhenAnEndIsGone() throws Exception {
        try (Pair pair = Pair.connect()) {
            pair.server().setOption(StandardSocketOptions.SO_LINGER, 0);
            pair.server().close(); // Resets the connection.

            assertThat(pair.client().read(ByteBuffer.allocate(1))).isEqualTo(-1);
            pair.relay().join();
        }
    }

    private static void send(SocketChannel to, int seed) {
        var random = new Random(seed);
        try {
            long left = (long) MEBIBYTES << 20;
            while (left > 0) {
                byte[] piece = new byte[(int) Math.min(left, 1 + random.nextInt(300_000))];
                random.nextBytes(piece);
                ByteBuffer buffer = ByteBuffer.wrap(piece);
                while (buffer.hasRemaining()) {
                    to.write(buffer);
                }
                left -= piece.length;
            }
            to.shutdownOutput();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /// The same draws give the same bytes.
    private static void receive(SocketChannel from, int seed) {
        var random = new Random(seed);
        try {
            long left = (long) MEBIBYTES << 20;
            while (left > 0) {
                byte[] piece = new byte[(int) Math.min(left, 1 + random.nextInt(300_000))];
                random.nextBytes(piece);
                ByteBuffer buffer = ByteBuffer.allocate(piece.length);
                while (buffer.hasRemaining()) {
                    assertThat(from.read(buffer)).isNotNegative();
                }
                assertThat(buffer.array()).isEqualTo(piece);
                left -= piece.length;
            }
            assertThat(from.read(ByteBuffer.allocate(1))).isEqualTo(-1);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
