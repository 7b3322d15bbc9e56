package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.VmRequest;
import java.io.BufferedReader;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.net.http.WebSocketHandshakeException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What tokens permit those who stay: watchers of events, and who sees a screen.
@Tag("qemu")
@Timeout(value = 2, unit = TimeUnit.MINUTES)
class AccessTest {
    private static final InetSocketAddress ANY_PORT = new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    private static final int VOID = 1008; // RFC 6455, 7.4.1: what was sent, or is wanted, is not permitted.

    private static final List<String> FOR_OPERATORS = List.of(
            "POST /v1/vms/{name}/start",
            "POST /v1/vms/{name}/stop",
            "POST /v1/vms/{name}/suspend",
            "POST /v1/vms/{name}/resume",
            "POST /v1/vms/{name}/checkpoint",
            "DELETE /v1/operations/{id}");
    private static final List<String> FOR_ADMINS = List.of(
            "POST /v1/vms",
            "DELETE /v1/vms/{name}",
            "PUT /v1/vms/{name}/settings",
            "DELETE /v1/images/{id}",
            "POST /v1/images/{id}/restore");

    @TempDir
    Path folder;

    @Test
    void aScreenIsForThoseWhoseTokenPermitsItAndOnlyAsLongAsItDoes() throws Exception {
        try (var fixture = new DaemonFixture(folder);
                HttpClient http = HttpClient.newHttpClient()) {
            fixture.engine.create(VmRequest.named("web").withMemory("64M").withVnc("unix:{runtime}/vnc"));
            fixture.run("start", "web");
            var tokens = new Tokens(fixture.home);

            assertThat(refusal(fixture, http, "wrong")).isEqualTo(401);
            assertThat(refusal(fixture, http, tokens.create("viewer", "viewer")))
                    .isEqualTo(403);
            assertThat(refusal(fixture, http, tokens.create("other", "operator", List.of("other-*"))))
                    .isEqualTo(403);
            assertThat(Files.readString(fixture.home.root().resolve("audit.log")))
                    .contains("\"what\":\"GET /v1/vms/web/screen\",\"vm\":\"web\",\"status\":401")
                    .contains("\"who\":\"other\"", "\"status\":403");

            var screen = new Screen();
            WebSocket open = screen(fixture, http, tokens.create("ada", "operator", List.of("web")), screen);
            assertThat(screen.first.get(30, TimeUnit.SECONDS)).startsWith("RFB 003.");
            assertThat(screen.end).isNotDone();
            tokens.remove("ada");
            assertThat(screen.end.get(30, TimeUnit.SECONDS)).isEqualTo(VOID);
            open.abort();
        }
    }

    /// {@return the status with which a screen is refused}
    private static int refusal(DaemonFixture fixture, HttpClient http, String token) {
        try {
            screen(fixture, http, token, new Screen()).abort();
            return 101;
        } catch (CompletionException e) {
            assertThat(e).hasCauseInstanceOf(WebSocketHandshakeException.class);
            return ((WebSocketHandshakeException) e.getCause()).getResponse().statusCode();
        }
    }

    private static WebSocket screen(DaemonFixture fixture, HttpClient http, String token, Screen screen) {
        URI uri = URI.create("ws://127.0.0.1:" + fixture.server().port() + "/v1/vms/web/screen");
        return http.newWebSocketBuilder()
                .header("Authorization", "Bearer " + token)
                .buildAsync(uri, screen)
                .join();
    }

    /// A browser that only listens.
    private static final class Screen implements WebSocket.Listener {
        private final CompletableFuture<String> first = new CompletableFuture<>();
        private final CompletableFuture<Integer> end = new CompletableFuture<>();

        @Override
        public CompletionStage<?> onBinary(WebSocket socket, java.nio.ByteBuffer data, boolean last) {
            first.complete(StandardCharsets.US_ASCII.decode(data).toString());
            socket.request(1);
            return null;
        }

        @Override
        public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
            end.complete(code);
            return null;
        }
    }

    @Test
    void whoWatchesHearsOnlyOfTheVmsOfItsTokenAndOnlyAsLongAsThatIsValid() throws Exception {
        try (var fixture = new DaemonFixture(folder);
                HttpClient http = HttpClient.newHttpClient()) {
            var tokens = new Tokens(fixture.home);
            String token = tokens.create("ada", "viewer", List.of("ada-*"));
            try (InputStream events = get(fixture, http, "/v1/events", token).body();
                    var lines = new BufferedReader(new InputStreamReader(events, StandardCharsets.UTF_8))) {
                fixture.engine.create(VmRequest.named("bob-1").withMemory("64M"));
                fixture.engine.create(VmRequest.named("ada-1").withMemory("64M"));

                var heard = new ArrayList<String>();
                while (heard.stream().noneMatch(line -> line.contains("ada-1"))) {
                    heard.add(lines.readLine());
                }
                assertThat(heard).noneMatch(line -> line.contains("bob-1"));

                tokens.remove("ada");
                events.transferTo(OutputStream.nullOutputStream()); // It ends.
            }
        }
    }

    /// Of each route that not every token may use: one whose role is not enough is refused, the next one is not.
    @Test
    void aRoleMayWhatItIsForAndNoMore() throws Exception {
        try (var fixture = new DaemonFixture(folder);
                HttpClient http = HttpClient.newHttpClient()) {
            var tokens = new Tokens(fixture.home);
            String viewer = tokens.create("v", "viewer");
            String operator = tokens.create("o", "operator");
            String admin = tokens.create("a", "admin");

            for (String route : FOR_OPERATORS) {
                assertThat(detail(fixture, http, route, viewer))
                        .as(route)
                        .contains("the token has the role viewer, operator is needed");
                assertThat(detail(fixture, http, route, operator)).as(route).doesNotContain("the role");
            }
            for (String route : FOR_ADMINS) {
                assertThat(detail(fixture, http, route, operator))
                        .as(route)
                        .contains("the token has the role operator, admin is needed");
                assertThat(detail(fixture, http, route, admin)).as(route).doesNotContain("the role");
            }
            assertThat(fixture.server().routes())
                    .as("whatever changes something is for operators or admins")
                    .filteredOn(route -> !route.startsWith("GET "))
                    .containsExactlyInAnyOrderElementsOf(Stream.concat(FOR_OPERATORS.stream(), FOR_ADMINS.stream())
                            .toList());
        }
    }

    private static String detail(DaemonFixture fixture, HttpClient http, String route, String token) throws Exception {
        String[] words = route.replaceAll("\\{[a-z]+}", "nemo").split(" ");
        var request = HttpRequest.newBuilder(
                        URI.create("http://127.0.0.1:" + fixture.server().port() + words[1]))
                .method(words[0], HttpRequest.BodyPublishers.noBody())
                .header("Authorization", "Bearer " + token)
                .build();
        HttpResponse<String> answer = http.send(request, HttpResponse.BodyHandlers.ofString());
        assertThat(answer.statusCode()).as(answer.body()).isBetween(400, 499); // There is no nemo.
        return answer.body();
    }

    @Test
    void aTokenThatAsksTooOftenIsToldToWait() throws Exception {
        var options = new DaemonOptions(null, ANY_PORT, null, 5, 0, 0, 0, false, false);
        try (var fixture = new DaemonFixture(folder, options);
                HttpClient http = HttpClient.newHttpClient()) {
            String token = new Tokens(fixture.home).create("ada", "viewer");
            HttpResponse<InputStream> last = get(fixture, http, "/v1/host", token);
            for (int i = 0; i < 50 && last.statusCode() == 200; i++) {
                last = get(fixture, http, "/v1/host", token);
            }

            assertThat(last.statusCode()).isEqualTo(429);
            assertThat(last.headers().firstValue("Retry-After")).isPresent();
            Thread.sleep(Duration.ofSeconds(1));
            assertThat(get(fixture, http, "/v1/host", token).statusCode()).isEqualTo(200);
        }
    }

    private static HttpResponse<InputStream> get(DaemonFixture fixture, HttpClient http, String path, String token)
            throws Exception {
        URI uri = URI.create("http://127.0.0.1:" + fixture.server().port() + path);
        var request = HttpRequest.newBuilder(uri)
                .header("Authorization", "Bearer " + token)
                .build();
        return http.send(request, HttpResponse.BodyHandlers.ofInputStream());
    }

    @Test
    void inTheClearOnlyTheLoopbackIsServed() {
        assertThat(DaemonOptions.parseListen("0.0.0.0:8080", true).getPort()).isEqualTo(8080);
        assertThat(DaemonOptions.parseListen("8080", false).getAddress().isLoopbackAddress())
                .isTrue();
        assertThatThrownBy(() -> DaemonOptions.parseListen("0.0.0.0:8080", false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("--listen '0.0.0.0:8080': not a loopback address");
    }
}
