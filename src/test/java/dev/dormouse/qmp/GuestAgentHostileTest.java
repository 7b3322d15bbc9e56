package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The agent is a program of the guest, which may say anything, or nothing.
class GuestAgentHostileTest {
    private static final Pattern ID = Pattern.compile("\"id\":(\\d+)");

    @TempDir
    Path folder;

    private interface Peer {
        void talk(SocketChannel channel) throws IOException;
    }

    private interface Conversation {
        void run(GuestAgent agent) throws IOException;
    }

    private void converse(Duration timeout, Peer peer, Conversation conversation) throws Exception {
        Path socket = folder.resolve("agent");
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(socket));
            CompletableFuture<Void> answers = CompletableFuture.runAsync(() -> {
                try (SocketChannel channel = server.accept()) {
                    peer.talk(channel);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            try (var agent = new GuestAgent(socket, timeout)) {
                conversation.run(agent);
            }
            answers.get(1, TimeUnit.MINUTES);
        }
    }

    private static String read(SocketChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(4096);
        channel.read(bytes);
        return new String(bytes.array(), 0, bytes.position(), StandardCharsets.ISO_8859_1);
    }

    private static void write(SocketChannel channel, String text) throws IOException {
        channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.ISO_8859_1)));
    }

    @Test
    void aFileIsThereOrNotAndWhatIsNeitherIsAnError() throws Exception {
        converse(
                Duration.ofMinutes(1),
                channel -> {
                    assertThat(read(channel)).contains("guest-file-open", "\"path\":\"/run/a\"", "\"mode\":\"r\"");
                    write(channel, "{\"return\": 1000}\n");
                    assertThat(read(channel)).contains("guest-file-close", "1000");
                    write(channel, "{\"return\": {}}\n");
                    read(channel);
                    write(
                            channel,
                            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"failed to open file '/run/a' (mode: 'r'): No such file or directory\"}}\n");
                    read(channel);
                    write(
                            channel,
                            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Command guest-file-open has been disabled\"}}\n");
                },
                agent -> {
                    assertThat(agent.hasFile("/run/a")).isTrue();
                    assertThat(agent.hasFile("/run/a")).isFalse();
                    assertThatThrownBy(() -> agent.hasFile("/run/a"))
                            .hasMessageContaining("cannot say whether the guest has /run/a: Command guest-file-open");
                });
    }

    @Test
    void passesOverAnswersToSomebodyElse() throws Exception {
        converse(
                Duration.ofMinutes(1),
                channel -> {
                    Matcher id = ID.matcher(read(channel));
                    assertThat(id.find()).isTrue();
                    write(
                            channel,
                            "half an answ\u00ff{\"return\": {}}\n{\"return\": 7}\n\u00ff{\"return\": " + id.group(1)
                                    + "}\n");
                    assertThat(read(channel)).contains("guest-get-time");
                    write(channel, "{\"return\": 1500000000000000000}\n");
                },
                agent -> {
                    agent.synchronize();
                    assertThat(agent.time()).isEqualTo(Instant.ofEpochSecond(1_500_000_000));
                });
    }

    @Test
    void isRefusedInItsOwnWords() throws Exception {
        converse(
                Duration.ofMinutes(1),
                channel -> {
                    read(channel);
                    write(channel, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"not permitted\"}}\n");
                },
                agent -> assertThatThrownBy(() -> agent.setTime(Instant.EPOCH))
                        .hasMessage(
                                folder.resolve("agent") + ": the guest agent refused 'guest-set-time': not permitted"));
    }

    @Test
    void givesUpASilentOne() throws Exception {
        converse(
                Duration.ofMillis(50),
                channel -> {
                    read(channel);
                    read(channel); // Until the other side has gone.
                },
                agent -> assertThatThrownBy(agent::synchronize)
                        .hasMessage(folder.resolve("agent")
                                + ": the guest agent did not answer within 50 ms, does it run?"));
    }

    @Test
    void holdsNoLineWithoutAnEnd() throws Exception {
        converse(
                Duration.ofMinutes(1),
                channel -> {
                    read(channel);
                    write(channel, "x".repeat(70 << 10));
                },
                agent -> assertThatThrownBy(agent::time)
                        .hasMessage(folder.resolve("agent") + ": the guest agent sent a line of more than 64 KiB"));
    }

    @Test
    void takesNothingForAnAnswerThatIsNone() throws Exception {
        converse(
                Duration.ofMinutes(1),
                channel -> {
                    read(channel);
                    write(channel, "hello\n");
                },
                agent -> assertThatThrownBy(agent::time)
                        .hasMessage(folder.resolve("agent") + ": the guest agent sent a line that is not JSON"));
    }
}
