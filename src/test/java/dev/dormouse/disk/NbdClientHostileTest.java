package dev.dormouse.disk;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A server that breaks the protocol in each of its states. It sends all that it has to say at once: a client
/// that is not served wrongly does not notice.
class NbdClientHostileTest {
    private static final Duration PATIENCE = Duration.ofMillis(300);

    @TempDir
    private Path folder;

    private ServerSocketChannel server;
    private Path socket;

    @BeforeEach
    void listen() throws IOException {
        socket = folder.resolve("s");
        server = ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(UnixDomainSocketAddress.of(socket));
    }

    @AfterEach
    void close() throws IOException {
        server.close();
    }

    @Test
    void readsFromAServerThatKeepsToTheProtocol() throws IOException {
        try (Speaker _ = sends(bytes -> reply(handshake(bytes, 8192), 0, 1).put(new byte[512]));
                NbdClient client = connect()) {
            ByteBuffer into = ByteBuffer.allocate(512);
            client.read(0, into);

            assertThat(client.exportBytes()).isEqualTo(8192);
            assertThat(into.hasRemaining()).isFalse();
        }
    }

    @Test
    void refusesAnotherGreeting() throws IOException {
        assertRefusal(
                bytes -> bytes.putLong(1).putLong(2).putShort((short) 1),
                "disk: qemu-nbd sent greeting 0x1 0x2, flags 0x1, which its protocol does not allow");
    }

    @Test
    void refusesAnOptionThatIsTooLong() throws IOException {
        assertRefusal(
                bytes -> option(greeting(bytes), 3, Integer.MAX_VALUE),
                "disk: qemu-nbd sent reply 0x3e889045565a9 to option 7 with 2147483647 bytes, which its protocol does not allow");
    }

    @Test
    void refusesALengthThatIsNegative() throws IOException {
        assertRefusal(
                bytes -> option(greeting(bytes), 3, -1),
                "disk: qemu-nbd sent reply 0x3e889045565a9 to option 7 with 4294967295 bytes, which its protocol does not allow");
    }

    @Test
    void refusesAnExportWithoutASize() throws IOException {
        assertRefusal(
                bytes -> option(greeting(bytes), 1, 0),
                "disk: qemu-nbd sent an export without a size, which its protocol does not allow");
    }

    @Test
    void refusesEndlessReplies() throws IOException {
        assertRefusal(
                bytes -> {
                    greeting(bytes);
                    for (int i = 0; i < 100; i++) {
                        option(bytes, 3, 0);
                    }
                    return bytes;
                },
                "disk: qemu-nbd sent more than 64 replies to one option, which its protocol does not allow");
    }

    @Test
    void refusesTheAnswerToAnotherRequest() throws IOException {
        try (Speaker _ = sends(bytes -> reply(handshake(bytes, 8192), 0, 77).put(new byte[512]));
                NbdClient client = connect()) {
            assertThatThrownBy(() -> client.read(0, ByteBuffer.allocate(512)))
                    .hasMessage(
                            "disk: qemu-nbd sent reply 0x67446698 with cookie 77 to request 1, which its protocol does not allow");
        }
    }

    @Test
    void passesOnThatTheServerCannotRead() throws IOException {
        try (Speaker _ = sends(bytes -> reply(handshake(bytes, 8192), 5, 1));
                NbdClient client = connect()) {
            assertThatThrownBy(() -> client.read(4096, ByteBuffer.allocate(512)))
                    .isInstanceOf(NbdClient.ReadRefusedException.class)
                    .hasMessage("disk: cannot be read at byte 4096: error 5 of qemu-nbd");
        }
    }

    @Test
    void asksForNothingBehindTheEnd() throws IOException {
        try (Speaker _ = sends(bytes -> handshake(bytes, 8192));
                NbdClient client = connect()) {
            assertThatThrownBy(() -> client.read(8000, ByteBuffer.allocate(512)))
                    .hasMessage("disk: 512 bytes at 8000 are asked for, the export has 8192");
        }
    }

    @Test
    void doesNotWaitForEver() throws IOException {
        try (Speaker _ = sends(bytes -> bytes.putLong(1))) {
            assertThatThrownBy(this::connect).hasMessage("disk: qemu-nbd gave no answer in 0 s");
        }
    }

    private void assertRefusal(UnaryOperator<ByteBuffer> words, String message) throws IOException {
        try (Speaker _ = sends(words)) {
            assertThatThrownBy(this::connect).isInstanceOf(DiskException.class).hasMessage(message);
        }
    }

    private NbdClient connect() throws IOException {
        return NbdClient.connect("disk", socket, PATIENCE);
    }

    /// Says this to whoever connects next.
    ///
    /// @return what ends it
    private Speaker sends(UnaryOperator<ByteBuffer> words) {
        return new Speaker(server, words.apply(ByteBuffer.allocate(8192)).flip());
    }

    /// The far end of a connection, in a thread of its own; hangs up when it is closed.
    private static final class Speaker implements AutoCloseable {
        private final CompletableFuture<SocketChannel> connection = new CompletableFuture<>();

        Speaker(ServerSocketChannel server, ByteBuffer words) {
            Thread.ofVirtual().start(() -> {
                try {
                    SocketChannel accepted = server.accept();
                    while (words.hasRemaining()) {
                        accepted.write(words);
                    }
                    connection.complete(accepted);
                } catch (IOException e) {
                    connection.completeExceptionally(e);
                }
            });
        }

        @Override
        public void close() throws IOException {
            connection.join().close();
        }
    }

    private static ByteBuffer greeting(ByteBuffer bytes) {
        return bytes.putLong(0x4e42444d41474943L).putLong(0x49484156454f5054L).putShort((short) 3);
    }

    private static ByteBuffer option(ByteBuffer bytes, int type, int length) {
        return bytes.putLong(0x3e889045565a9L).putInt(7).putInt(type).putInt(length);
    }

    private static ByteBuffer handshake(ByteBuffer bytes, long exportBytes) {
        option(greeting(bytes), 3, 12).putShort((short) 0).putLong(exportBytes).putShort((short) 1);
        return option(bytes, 1, 0);
    }

    private static ByteBuffer reply(ByteBuffer bytes, int error, long cookie) {
        return bytes.putInt(0x67446698).putInt(error).putLong(cookie);
    }
}
