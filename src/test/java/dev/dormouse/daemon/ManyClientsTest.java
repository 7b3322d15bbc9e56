package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.Home;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A server that has nothing but events, and clients that take what they can get: connections, streams, and the time of
/// whoever tells them something. With the tests of the daemon, because it opens ports.
@Tag("qemu")
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class ManyClientsTest {
    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final int CONNECTIONS_MAX = 1000;
    private static final int WATCHERS_MAX = 200;
    private static final int EVENTS = 5000;
    private static final int EVENT_BYTES = 10_000; // All of them are more than the kernel keeps for a connection.
    private static final int MOMENT_MILLIS = 500;

    @TempDir
    Path folder;

    private final Events events = new Events();
    private final List<Socket> sockets = new ArrayList<>();
    private String token;
    private EventRoutes routes;
    private RestServer server;

    @BeforeEach
    void start() throws IOException {
        serve(new Listener(ANY_PORT, null));
    }

    private void serve(Listener listener) throws IOException {
        Home home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        var tokens = new Tokens(home);
        token = tokens.create("ada", "viewer");
        var gate = new Gate(tokens, DaemonOptions.REQUESTS_PER_SECOND);
        routes = new EventRoutes(events, gate);
        server = new RestServer(
                folder.resolve("socket"),
                listener,
                gate,
                new AuditLog(folder.resolve("audit.log")),
                List.of(routes::add));
        server.start();
    }

    @AfterEach
    void end() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        stop();
    }

    private void stop() throws IOException {
        routes.close();
        server.close();
    }

    private Socket connect() throws IOException {
        var socket = new Socket(InetAddress.getLoopbackAddress(), server.port());
        sockets.add(socket);
        return socket;
    }

    /// {@return a connection that has asked for the events, and read the head of the answer}
    private Socket watch(int status) throws IOException {
        Socket socket = connect();
        ask(socket);
        assertThat(head(socket.getInputStream())).startsWith("HTTP/1.1 " + status + " ");
        return socket;
    }

    private void ask(Socket socket) throws IOException {
        String request =
                "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer %s\r\n\r\n"
                        .formatted(token);
        socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
    }

    private static String head(InputStream in) throws IOException {
        var text = new StringBuilder();
        while (text.indexOf("\r\n\r\n") < 0) {
            int next = in.read();
            assertThat(next).as(text.toString()).isNotNegative();
            text.append((char) next);
        }
        return text.toString();
    }

    @Test
    void whoDoesNotReadTheEventsIsCutOffAndHoldsUpNobody() throws Exception {
        Socket slow = watch(200);
        long begin = System.nanoTime();
        publishMuch();
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(20));

        long bytes = 0; // It reads on, but what it has missed would be a gap.
        byte[] buffer = new byte[1 << 16];
        for (int count = 0; count >= 0; count = slow.getInputStream().read(buffer)) {
            bytes += count;
        }
        assertThat(bytes).isPositive().isLessThan((long) EVENTS * EVENT_BYTES);
    }

    private void publishMuch() {
        Map<String, String> much = Map.of("much", "x".repeat(EVENT_BYTES));
        for (int i = 0; i < EVENTS; i++) {
            events.publish("vm", "web", null, much);
        }
    }

    @Test
    void whoDoesNotReadTheEventsKeepsNoServerFromEnding() throws Exception {
        watch(200);
        publishMuch();

        stop();

        assertThat(folder.resolve("socket")).doesNotExist();
        start(); // For the end of the test.
    }

    @Test
    void onlySoManyMayWatchAtOnceAndWhoLeavesMakesRoom() throws Exception {
        for (int i = 0; i < WATCHERS_MAX; i++) {
            watch(200);
        }
        Socket oneMore = connect();
        ask(oneMore);
        assertThat(head(oneMore.getInputStream())).startsWith("HTTP/1.1 429 ").contains("Retry-After: 30");

        sockets.getFirst().close();

        boolean room = false;
        for (int i = 0; i < 100 && !room; i++) {
            events.publish("vm", "web", null, Map.of()); // Who is gone is found out when he is told something.
            Thread.sleep(20);
            Socket again = connect();
            ask(again);
            room = head(again.getInputStream()).startsWith("HTTP/1.1 200 ");
        }
        assertThat(room).isTrue();
    }

    @Test
    void onlySoManyAreConnectedAtOnceAndWhoLeavesMakesRoom() throws Exception {
        for (int i = 0; i < CONNECTIONS_MAX; i++) {
            connect();
        }
        assertThat(isAnswered()).isFalse();

        for (Socket socket : sockets.subList(0, 10)) {
            socket.close();
        }

        boolean room = false;
        for (int i = 0; i < 20 && !room; i++) {
            room = isAnswered();
        }
        assertThat(room).isTrue();
    }

    /// Whoever is too many waits, or is hung up on.
    private boolean isAnswered() throws IOException {
        Socket socket = connect();
        socket.setSoTimeout(MOMENT_MILLIS);
        try {
            ask(socket);
            return socket.getInputStream().read() == 'H';
        } catch (SocketTimeoutException | SocketException _) {
            socket.close();
            return false;
        }
    }

    @Test
    void aConnectionOnWhichNothingMovesIsClosed() throws Exception {
        stop();
        serve(new Listener(ANY_PORT, null, Duration.ofMillis(MOMENT_MILLIS)));

        Socket silent = connect();
        Socket inTheMiddle = connect();
        inTheMiddle.getOutputStream().write("GET /v1/events HTTP/1.1\r\nHost: lo".getBytes(StandardCharsets.US_ASCII));

        assertThat(silent.getInputStream().readAllBytes()).isEmpty();
        inTheMiddle.getInputStream().readAllBytes(); // It may be told so, and ends.
    }
}
