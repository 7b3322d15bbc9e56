package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.engine.OperationListener;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The OpenAPI document and the daemon say the same: each route is in the document, and each answer that the document
/// promises was given, to a real request about a real VM, and is of the form that the document has.
@Tag("qemu")
class OpenApiTest {
    @TempDir
    Path folder;

    private DaemonFixture fixture;
    private ApiDocument document;

    @BeforeEach
    void start() throws IOException {
        fixture = new DaemonFixture(folder);
        document = new ApiDocument(fixture.send("GET", "/v1/openapi.yaml", null).body());
    }

    @AfterEach
    void end() throws Exception {
        fixture.close();
    }

    @Test
    void everyRouteIsInTheDocumentAndEveryOperationOfTheDocumentIsARoute() {
        assertThat(fixture.server().routes()).containsExactlyInAnyOrderElementsOf(document.operations());
    }

    @Test
    void everyAnswerThatTheDocumentPromisesIsGiven() throws Exception {
        check(201, "POST", "/v1/vms", "{\"name\": \"web\", \"memory\": \"64M\", \"vmgenid\": false}");

        walkTheHost();
        walkTheLifeOfAVm();
        walkImages();
        walkOperations();
        walkProblems();
        check(200, "POST", "/v1/vms/web/stop", "{}");
        check(204, "DELETE", "/v1/vms/web?force=true", null);

        assertThat(document.unseen()).isEmpty();
    }

    private void walkTheHost() throws Exception {
        check(200, "GET", "/v1/host", null);
        check(200, "GET", "/v1/openapi.yaml", null);
        check(200, "GET", "/metrics", null);
        check(200, "GET", "/v1/vms?limit=1", null);
        try (var stream = fixture.client().open("GET", "/v1/events", null)) {
            String begin = new String(stream.body().readNBytes(10), StandardCharsets.UTF_8);
            document.check("GET", "/v1/events", new DaemonClient.Answer(stream.status(), stream.headers(), begin));
        }
    }

    private void walkTheLifeOfAVm() throws Exception {
        check(200, "GET", "/v1/vms/web", null);
        check(200, "PUT", "/v1/vms/web/settings", """
                {"fronts": [{"name": "ssh", "listen": "127.0.0.1:0", "target": "127.0.0.1:22"}],
                 "idle": {"afterSeconds": 600, "cpuPercent": 10, "awakeSeconds": 60}, "pinned": true}""");
        check(200, "GET", "/v1/vms/web/settings", null);
        check(200, "PUT", "/v1/vms/web/settings", "{\"idle\": {\"afterSeconds\": 600, \"cpuPercent\": 10}}");
        assertThat(check(200, "GET", "/v1/vms/web/settings", null).body())
                .as("what is left out")
                .contains("\"networkPackets\":0", "\"awakeSeconds\":0", "\"askGuest\":false");
        check(202, "POST", "/v1/vms/web/start?wait=60", "{\"discardState\": false}");
        check(200, "POST", "/v1/vms/web/start", null);
        check(202, "POST", "/v1/vms/web/checkpoint?wait=60", "{\"selfContained\": true}");
        check(202, "POST", "/v1/vms/web/suspend?wait=60", null);
        check(200, "POST", "/v1/vms/web/suspend", null);
        check(202, "POST", "/v1/vms/web/resume?wait=60", "{\"keepImage\": true}");
        check(200, "POST", "/v1/vms/web/resume", null);
        try (var stream = fixture.client().open("GET", "/v1/vms/web/pages", null)) {
            String begin = new String(stream.body().readNBytes(10), StandardCharsets.UTF_8);
            assertThat(begin).isEqualTo("event: map");
            document.check(
                    "GET", "/v1/vms/web/pages", new DaemonClient.Answer(stream.status(), stream.headers(), begin));
        }
        openScreen();
        check(202, "POST", "/v1/vms/web/stop?wait=60", "{\"force\": true}");
        check(200, "GET", "/v1/vms/web/history?limit=3", null);
        check(200, "GET", "/v1/vms/web/clients", null);
        check(200, "GET", "/v1/host/history?limit=1", null);
    }

    /// As a browser does, which can send the token only as a subprotocol.
    private void openScreen() throws Exception {
        String token = new Tokens(fixture.home).create("screen", "operator");
        try (HttpClient client = HttpClient.newHttpClient()) {
            WebSocket screen = client.newWebSocketBuilder()
                    .subprotocols("binary", "dormouse.bearer." + token)
                    .buildAsync(
                            URI.create("ws://127.0.0.1:%d/v1/vms/web/screen"
                                    .formatted(fixture.server().port())),
                            new WebSocket.Listener() {})
                    .get(30, TimeUnit.SECONDS);
            assertThat(screen.getSubprotocol()).isEqualTo("binary");
            document.check("GET", "/v1/vms/web/screen", new DaemonClient.Answer(101, Map.of(), ""));
            screen.abort();
        }
        String log = "";
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!log.contains("\"outcome\":\"opened\"") && System.nanoTime() - end < 0) {
            Thread.sleep(10); // It is written behind the answer.
            log = Files.readString(fixture.home.root().resolve("audit.log"));
        }
        assertThat(log)
                .contains("\"event\":\"screen\",\"who\":\"screen\"")
                .contains("\"vm\":\"web\",\"outcome\":\"opened\"");
    }

    private void walkImages() throws Exception {
        check(200, "GET", "/v1/images", null);
        String image = fixture.engine.images().ids().getFirst();
        check(200, "GET", "/v1/images/" + image, null);
        check(201, "POST", "/v1/images/" + image + "/restore", "{\"name\": \"web2\"}");
        check(204, "DELETE", "/v1/vms/web2?force=true", null);
        check(204, "DELETE", "/v1/images/" + image, null);
    }

    private void walkOperations() throws Exception {
        DaemonClient.Answer page = check(200, "GET", "/v1/operations?vm=web&limit=1", null);
        assertThat(Json.parseObject(page.body())).containsKey("next");
        String id = String.valueOf(Json.parseObject(page.body()).get("next"));
        check(200, "GET", "/v1/operations/" + id, null);
        assertThat(check(200, "GET", "/v1/operations/" + id + "/trace", null).body())
                .contains("\"name\":\"stop web\"", "\"name\":\"queued\"");
        check(404, "GET", "/v1/operations/nemo/trace", null);
        check(200, "DELETE", "/v1/operations/" + id, null);
        fixture.run("start", "web");
        DaemonClient.Answer stop = check(202, "POST", "/v1/vms/web/stop", "{\"timeoutSeconds\": 60}");
        String waiting = String.valueOf(Json.parseObject(stop.body()).get("id"));
        check(409, "POST", "/v1/vms/web/suspend", null); // It waits for a guest that never ends by itself.
        check(202, "DELETE", "/v1/operations/" + waiting, null);
        assertThat(fixture.awaitEnd(waiting)).containsEntry("state", "cancelled");
        fixture.engine.stop("web", true, Duration.ofSeconds(10), OperationListener.NONE);
    }

    private void walkProblems() throws Exception {
        for (String path : new String[] {
            "/v1/host",
            "/v1/host/history",
            "/v1/vms/web/history",
            "/v1/vms/web/clients",
            "/metrics",
            "/v1/openapi.yaml",
            "/v1/events",
            "/v1/vms",
            "/v1/vms/web",
            "/v1/vms/web/pages",
            "/v1/images",
            "/v1/operations"
        }) {
            check(400, "GET", path + "?no=such", null);
        }
        check(400, "POST", "/v1/vms", "{\"memory\": \"64M\"}");
        check(400, "POST", "/v1/vms", "{\"name\": \"x\", \"disc\": 1}");
        check(404, "DELETE", "/v1/vms/nemo", null);
        check(404, "GET", "/v1/images/nemo", null);
        check(404, "DELETE", "/v1/images/nemo", null);
        check(404, "POST", "/v1/images/nemo/restore", "{\"name\": \"web2\"}");
        check(404, "GET", "/v1/operations/nemo", null);
        check(404, "DELETE", "/v1/operations/nemo", null);
        for (String action : new String[] {"start", "stop", "suspend", "resume", "checkpoint"}) {
            check(404, "POST", "/v1/vms/nemo/" + action, null);
            check(400, "POST", "/v1/vms/web/" + action, "{\"no\": \"such\"}");
        }
        check(409, "POST", "/v1/vms/web/resume?wait=60", null);
        check(404, "GET", "/v1/vms/web/screen", null); // Without an upgrade there is nothing.
        check(404, "GET", "/v1/vms/nemo/settings", null);
        check(404, "PUT", "/v1/vms/nemo/settings", "{}");
        check(
                400,
                "PUT",
                "/v1/vms/web/settings",
                "{\"fronts\": [{\"name\": \"a\", \"listen\": \"1\", \"target\": \"b\"}]}");
        check(400, "PUT", "/v1/vms/web/settings", "{\"idle\": {\"afterSeconds\": 5}}");
        check(400, "PUT", "/v1/vms/web/settings", "{\"idle\": {\"cpuPercent\": 5}}");
    }

    private DaemonClient.Answer check(int status, String method, String path, String body) throws IOException {
        DaemonClient.Answer answer = fixture.send(method, path, body);
        assertThat(answer.status()).as("%s %s: %s", method, path, answer.body()).isEqualTo(status);
        document.check(method, path, answer);
        return answer;
    }
}
