package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.restore.WatchedChannel.Limits;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A QEMU that does not read what it is sent.
@Timeout(30)
class WatchedChannelTest {
    private static final int MORE_THAN_FITS = 64 << 20;

    @TempDir
    Path folder;

    private final BlockingQueue<String> told = new LinkedBlockingQueue<>();
    private final RestoreListener listener = new RestoreListener() {
        @Override
        public void stalled(String reason) {
            told.add(reason);
        }

        @Override
        public void unstalled() {
            told.add("unstalled");
        }
    };
    private SocketChannel ours;
    private SocketChannel theirs;

    @BeforeEach
    void connect() throws IOException {
        var address = UnixDomainSocketAddress.of(folder.resolve("socket"));
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(address);
            ours = SocketChannel.open(address);
            theirs = server.accept();
        }
    }

    @AfterEach
    void close() throws IOException {
        ours.close();
        theirs.close();
    }

    private static Limits limits(Duration giveUp) {
        return new Limits(Duration.ofMillis(5), Duration.ofMillis(20), giveUp);
    }

    @Test
    void tellsThatNothingIsTakenAndThatItIsAgain() throws Exception {
        var channel = new WatchedChannel("vm vm7", ours, listener, limits(Duration.ofMinutes(1)));
        var writing = CompletableFuture.supplyAsync(() -> write(channel));

        assertThat(told.poll(10, TimeUnit.SECONDS))
                .isEqualTo("vm vm7: QEMU has taken nothing for 0 s, is its process stopped?");

        ByteBuffer sink = ByteBuffer.allocate(1 << 20);
        for (long taken = 0; taken < MORE_THAN_FITS; taken += sink.position()) {
            theirs.read(sink.clear());
        }
        assertThat(told.poll(10, TimeUnit.SECONDS)).isEqualTo("unstalled");
        assertThat(writing.get(10, TimeUnit.SECONDS)).isEqualTo(MORE_THAN_FITS);
    }

    private static int write(WatchedChannel channel) {
        try {
            return channel.write(ByteBuffer.allocate(MORE_THAN_FITS));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void givesUpAfterAWhileAndSaysWhy() {
        var channel = new WatchedChannel("vm vm7", ours, listener, limits(Duration.ofMillis(50)));

        assertThatThrownBy(() -> channel.write(ByteBuffer.allocate(MORE_THAN_FITS)))
                .isInstanceOf(RestoreException.class)
                .hasMessage("vm vm7: QEMU has taken nothing for 0 s, the connection is given up");
        assertThat(List.copyOf(told)).first().asString().contains("is its process stopped?");
    }
}
