package dev.dormouse.qmp;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A peer that breaks the rules in each state of the connection. Invariants: no call outlasts its bound,
/// every error says what was wrong, a broken connection stays broken.
@Timeout(30)
class QmpClientHostileTest {
    private static final Duration BOUND = Duration.ofSeconds(10);
    private static final Duration SHORT = Duration.ofMillis(60);

    @TempDir
    Path directory;

    private Path socket;

    @BeforeEach
    void nameTheSocket() {
        socket = directory.resolve("q");
    }

    @Test
    void refusesGarbageInsteadOfAGreeting() throws IOException {
        try (var _ = new FakeMonitor(socket, peer -> peer.send("SSH-2.0-OpenSSH_9.2\r\n"))) {
            assertThatThrownBy(() -> QmpClient.connect(socket, BOUND))
                    .isInstanceOf(QmpConnectionException.class)
                    .hasMessage(socket + ": the monitor sent a line that is not QMP");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "{\"id\": 5}", "{\"event\": 5}", "{\"QMP\": []}", "{\"id\": \"dormouse-1\"}"})
    void refusesAnObjectThatIsNoMessage(String object) throws IOException {
        try (var _ = new FakeMonitor(socket, peer -> peer.send(object + "\n"))) {
            assertThatThrownBy(() -> QmpClient.connect(socket, BOUND))
                    .isInstanceOf(QmpConnectionException.class)
                    .hasMessageContaining("breaks the monitor protocol: a message is neither greeting");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"[1]", "null", "{", "{} {}", "{\"a\": 1e999999999999}", "\u0000", "{\"a\": \"\\uD8\"}"})
    void refusesWhatIsNotOneJsonObject(String text) throws IOException {
        try (var _ = new FakeMonitor(socket, peer -> peer.send(text + "\n"))) {
            assertThatThrownBy(() -> QmpClient.connect(socket, BOUND)).isInstanceOf(QmpConnectionException.class);
        }
    }

    @Test
    void refusesALineWithoutEnd() throws IOException {
        String chunk = "x".repeat(1 << 20);
        FakeMonitor.Script endless = peer -> {
            while (true) peer.send(chunk);
        };
        try (var _ = new FakeMonitor(socket, endless)) {
            assertThatThrownBy(() -> QmpClient.connect(socket, BOUND))
                    .hasMessage(socket + ": the peer breaks the monitor protocol:"
                            + " a line is longer than the 16777216 bytes allowed");
        }
    }

    @Test
    void refusesJsonThatWouldExhaustTheStack() throws IOException {
        try (var _ = new FakeMonitor(socket, peer -> peer.send("{\"a\":" + "[".repeat(1 << 20) + "\n"))) {
            assertThatThrownBy(() -> QmpClient.connect(socket, BOUND))
                    .hasMessageEndingWith("JSON nests deeper than the 64 levels allowed");
        }
    }

    @Test
    void givesUpWhenNobodyGreets() throws IOException {
        try (var _ = new FakeMonitor(socket, FakeMonitor.Peer::beSilent)) {
            assertThatThrownBy(() -> QmpClient.connect(socket, SHORT))
                    .isInstanceOf(QmpTimeoutException.class)
                    .hasMessage(socket + ": the monitor did not greet within 60 ms,"
                            + " it serves one client at a time: is another one connected?");
        }
    }

    @Test
    void givesUpWhenNobodyListens() {
        assertThatThrownBy(() -> QmpClient.connect(socket, SHORT))
                .isInstanceOf(QmpConnectionException.class)
                .hasMessage(socket + ": no monitor listened within 60 ms, is QEMU running?");
    }

    @Test
    void givesUpAtOnceWhenTheProcessIsGone() {
        assertThatThrownBy(() -> QmpClient.connect(socket, Duration.ofHours(1), () -> false))
                .hasMessage(socket + ": the process behind the monitor is gone");
    }

    @Test
    void refusesASocketWhosePathIsTooLong() {
        Path longPath = Path.of("/tmp/" + "x".repeat(103));

        assertThatThrownBy(() -> QmpClient.connect(longPath, BOUND))
                .isInstanceOf(QemuException.class)
                .hasMessage(longPath + ": the path of a unix socket has 108 bytes, 107 are allowed:"
                        + " choose a shorter directory");
    }

    @Test
    void keepsAnEventThatArrivesBeforeTheGreeting() throws IOException {
        FakeMonitor.Script script = peer -> {
            peer.send("{\"event\": \"STOP\"}\n");
            peer.greet();
            peer.beSilent();
        };
        try (var _ = new FakeMonitor(socket, script);
                var client = QmpClient.connect(socket, BOUND)) {
            assertThat(client.awaitEvent(0, "STOP", BOUND).data()).isEmpty();
        }
    }

    @Test
    void namesTheCommandThatIsNotAnswered() throws IOException {
        try (var _ = new FakeMonitor(socket, greetThen(FakeMonitor.Peer::beSilent));
                var client = QmpClient.connect(socket, BOUND)) {
            assertThatThrownBy(() -> client.execute("stop", Map.of(), SHORT))
                    .isInstanceOf(QmpTimeoutException.class)
                    .hasMessage("QMP command 'stop': " + socket + " did not answer within 60 ms,"
                            + " QEMU may be stopped or waiting for memory or storage");
        }
    }

    @Test
    void dropsALateReplyAndMatchesTheNextByItsId() throws IOException {
        FakeMonitor.Script late = greetThen(peer -> {
            String first = peer.nextId();
            String second = peer.nextId();
            peer.reply(first, "{\"n\": 1}");
            peer.reply(second, "{\"n\": 2}");
            peer.beSilent();
        });
        try (var _ = new FakeMonitor(socket, late);
                var client = QmpClient.connect(socket, BOUND)) {
            assertThatThrownBy(() -> client.execute("first", Map.of(), SHORT)).isInstanceOf(QmpTimeoutException.class);

            assertThat(client.execute("second")).isEqualTo(Map.of("n", 2L));
        }
    }

    @Test
    void sendsNoMoreCommandsThanQemuReads() throws IOException {
        try (var _ = new FakeMonitor(socket, greetThen(FakeMonitor.Peer::beSilent));
                var client = QmpClient.connect(socket, BOUND)) {
            for (int i = 0; i < 7; i++) {
                assertThatThrownBy(() -> client.execute("stop", Map.of(), Duration.ofMillis(1)))
                        .isInstanceOf(QmpTimeoutException.class);
            }

            assertThatThrownBy(() -> client.execute("cont"))
                    .hasMessageStartingWith(
                            "QMP command 'cont': not sent, QEMU has not answered 7 earlier ones: [stop");
        }
    }

    @Test
    void failsWhatIsUnderWayAndAllThatFollowsOnAHangUp() throws IOException {
        FakeMonitor.Script hangUp = greetThen(peer -> {
            String id = peer.nextId();
            peer.send("{\"return\": {}, \"id\": \"" + id); // And no more.
        });
        try (var _ = new FakeMonitor(socket, hangUp);
                var client = QmpClient.connect(socket, BOUND)) {
            String reason = socket + ": QEMU closed the connection to its monitor";

            assertThatThrownBy(() -> client.execute("quit"))
                    .hasMessage("QMP command 'quit': the connection was lost before the reply")
                    .cause()
                    .hasMessage(reason);
            assertThatThrownBy(() -> client.execute("cont")).hasMessage(reason);
            assertThatThrownBy(() -> client.awaitEvent(0, "STOP", BOUND)).hasMessage(reason);
            assertThat(client.isOpen()).isFalse();
        }
    }

    @Test
    void endsTheConnectionOnAReplyThatNobodyAskedFor() throws IOException {
        try (var _ = new FakeMonitor(socket, greetThen(peer -> peer.reply("dormouse-99", "{}")));
                var client = QmpClient.connect(socket, BOUND)) {
            assertThatThrownBy(() -> client.awaitEvent(0, "STOP", BOUND))
                    .hasMessage(socket + ": the peer breaks the monitor protocol:"
                            + " a reply has the id 'dormouse-99', which is not open");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "[]", "5", "\"text\""})
    void refusesAReplyOfAnotherKind(String value) throws IOException {
        FakeMonitor.Script script = greetThen(peer -> {
            peer.reply(peer.nextId(), value);
            peer.beSilent();
        });
        try (var _ = new FakeMonitor(socket, script);
                var client = QmpClient.connect(socket, BOUND)) {
            assertThatThrownBy(() -> client.execute("query-status"))
                    .isInstanceOf(QmpConnectionException.class)
                    .hasMessageStartingWith("QMP command 'query-status': the reply is not an object: ");
        }
    }

    @Test
    void survivesAListenerThatThrows() throws IOException {
        FakeMonitor.Script script = greetThen(peer -> {
            String id = peer.nextId();
            peer.send("{\"event\": \"STOP\", \"data\": null}\n");
            peer.reply(id, "{\"ratio\": 0.5, \"big\": 4503599627370497}");
            peer.beSilent();
        });
        try (var _ = new FakeMonitor(socket, script);
                var client = QmpClient.connect(socket, BOUND)) {
            client.addListener(event -> {
                throw new IllegalStateException("a bug in a listener, on purpose: " + event.name());
            });

            assertThat(client.execute("x")).isEqualTo(Map.of("ratio", 0.5, "big", 4503599627370497L));
        }
    }

    private static FakeMonitor.Script greetThen(FakeMonitor.Script rest) {
        return peer -> {
            peer.greet();
            rest.run(peer);
        };
    }
}
