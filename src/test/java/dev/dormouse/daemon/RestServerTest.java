package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Json;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.testkit.FreePort;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the daemon answers to what it should not be asked, and to many at once.
@Tag("qemu")
class RestServerTest {
    @TempDir
    Path folder;

    private DaemonFixture fixture;

    @BeforeEach
    void start() throws IOException {
        fixture = new DaemonFixture(folder);
    }

    @AfterEach
    void end() throws Exception {
        fixture.close();
    }

    @Test
    void aHomeHasOneDaemon() {
        assertThatThrownBy(() -> Daemon.start(fixture.home, new DaemonOptions(null, null)))
                .hasMessage(
                        "home %s: has a daemon already, process %d; end that one first, 'dormouse serve --end' does that"
                                .formatted(
                                        fixture.home.root(),
                                        ProcessHandle.current().pid()));
    }

    @Test
    void oneWhoseSocketIsGoneIsToldFromOneThatStarts() throws Exception {
        Path socket = DaemonClient.socket(fixture.home);
        Files.delete(socket);
        long began = System.nanoTime();

        assertThatThrownBy(() -> Daemon.start(fixture.home, new DaemonOptions(null, null)))
                .hasMessage(
                        "home %s: has a daemon already, process %d, whose socket %s is gone; end that one first, 'dormouse serve --end' does that"
                                .formatted(
                                        fixture.home.root(),
                                        ProcessHandle.current().pid(),
                                        socket));
        assertThat(System.nanoTime() - began).isLessThan(Duration.ofSeconds(10).toNanos());
        assertThat(DaemonLock.process(fixture.home)).contains(ProcessHandle.current());
        fixture.close();
        assertThat(DaemonLock.process(fixture.home)).isEmpty();
        fixture = new DaemonFixture(folder);
    }

    @Test
    void settingsNeedABody() throws Exception {
        fixture.engine.create(VmRequest.named("web").withMemory("64M"));
        assertThat(fixture.send("PUT", "/v1/vms/web/settings", "{\"pinned\": true}")
                        .status())
                .isEqualTo(200);

        refuses(400, "PUT", "/v1/vms/web/settings", null, "body: is missing, send all settings, {} for none");
        refuses(400, "POST", "/v1/vms", null, "body: 'name' is missing, it names the new VM");
        refuses(400, "POST", "/v1/vms/web/resume?waiter=a_b", null, "query: 'waiter' is no name of a waiter, up to 64");
        assertThat(fixture.ok(200, "GET", "/v1/vms/web/settings")).containsEntry("pinned", true);
        assertThat(fixture.send("PUT", "/v1/vms/web/settings", "{}").status()).isEqualTo(200);
        assertThat(fixture.ok(200, "GET", "/v1/vms/web/settings")).containsEntry("pinned", false);
    }

    @Test
    void damagedTokensLetNobodyInAndTellNothing() throws Exception {
        String viewer = new Tokens(fixture.home).create("v", "viewer");
        Path file = fixture.home.root().resolve("tokens.json");
        String whole = Files.readString(file);
        for (String damaged : List.of("{\"tokens\": secret", "{}", "{\"tokens\": [{\"name\": \"secret\"}]}")) {
            Files.writeString(file, damaged);

            assertThat(overTcp("GET", "/v1/vms", viewer)).isEqualTo(503);
            assertThat(bodyOverTcp("/v1/vms", viewer))
                    .contains("tokens cannot be looked up now")
                    .doesNotContain("tokens.json", "secret", fixture.home.root().toString());
        }
        assertThat(fixture.send("GET", "/v1/vms", null).status())
                .as("by the owner")
                .isEqualTo(200);
        Files.writeString(file, whole);
        assertThat(overTcp("GET", "/v1/vms", viewer)).isEqualTo(200);
    }

    @Test
    void aTokenForSomeVmsSetsNoFrontsThatLeadOutOfTheVm() throws Exception {
        fixture.engine.create(VmRequest.named("ada-1").withMemory("64M").withVnc("127.0.0.1:77"));
        String ada = new Tokens(fixture.home).create("ada", "admin", List.of("ada-*"));
        String front = "{\"name\":\"%s\",\"listen\":\"%s\",\"target\":\"%s\"}";
        String ofOwner = front.formatted("old", "127.0.0.1:" + FreePort.any(), "127.0.0.1:22");
        String fronts = "{\"fronts\":[%s]}";
        assertThat(fixture.send("PUT", "/v1/vms/ada-1/settings", fronts.formatted(ofOwner))
                        .status())
                .isEqualTo(200);

        for (String wrong : List.of(
                front.formatted("f", "127.0.0.1:0", "127.0.0.1:22"), front.formatted("f", "0.0.0.0:0", "vnc"))) {
            assertThat(putOverTcp("/v1/vms/ada-1/settings", ada, fronts.formatted(wrong)))
                    .isEqualTo(403);
        }
        String allowed = front.formatted("f", "127.0.0.1:" + FreePort.any(), "vnc");
        assertThat(putOverTcp("/v1/vms/ada-1/settings", ada, fronts.formatted(ofOwner + "," + allowed)))
                .isEqualTo(200);
    }

    private int putOverTcp(String path, String token, String body) throws Exception {
        return status("PUT", path, token, HttpRequest.BodyPublishers.ofString(body));
    }

    @Test
    void refusesWhatItDoesNotKnow() throws Exception {
        refuses(404, "GET", "/v1/nothing", null, "Endpoint GET /v1/nothing not found");
        refuses(405, "PUT", "/v1/vms", null, "Method Not Allowed");
        refuses(400, "GET", "/v1/vms?limit=0", null, "query: 'limit' is '0', 1 to 500 are allowed");
        refuses(
                400,
                "GET",
                "/v1/vms?page=2",
                null,
                "query: 'page' is not a parameter of this resource or given twice, known are: limit, after");
        refuses(404, "GET", "/v1/vms/nemo", null, "vm nemo: no such VM, 'dormouse list' shows those there are");
        refuses(
                400,
                "GET",
                "/v1/vms/..",
                null,
                "VM name '..': not allowed, use 1 to 40 letters, digits, '.', '_' or '-', a letter or digit first");
        refuses(413, "POST", "/v1/vms/nemo/stop", "{\"force\":" + " ".repeat(70_000) + "true}", "");
    }

    @Test
    void saysInWordsWhatIsWrongWithABodyAndWhere() throws Exception {
        for (var wrong : Map.of(
                        "[",
                        "not JSON: the text ends where a value was to come (line 1, column 2)",
                        "{\"force\": true,}",
                        "not JSON: there is '}' where a name in \"\" was to come (line 1, column 16)",
                        "{\n  \"force\" true}",
                        "not JSON: there is 'true' where a ':' was to come (line 2, column 11)",
                        "{\"force\": \"yes\"}",
                        "'force' is 'yes', true or false is wanted (line 1, column 11)",
                        "{\"timeoutSeconds\": 99999999999}",
                        "'timeoutSeconds' is 99999999999, a whole number of 32 bits is wanted (line 1, column 20)",
                        "{\"forced\": true}",
                        "'forced' is not known here, known are: force, timeoutSeconds (line 1, column 2)",
                        "true",
                        "is true, an object is wanted (line 1, column 1)",
                        "{\"force\": true} x",
                        "not JSON: there is 'x' where the end was to come (line 1, column 17)")
                .entrySet()) {
            refuses(400, "POST", "/v1/vms/nemo/stop", wrong.getKey(), "body: " + wrong.getValue());
        }
        fixture.engine.create(VmRequest.named("web").withMemory("64M"));
        refuses(
                400,
                "PUT",
                "/v1/vms/web/settings",
                "{\"priority\": \"top\"}",
                "body: 'priority' is 'top', one of low, normal, high is wanted (line 1, column 14)");
        refuses(
                400,
                "PUT",
                "/v1/vms/web/settings",
                "{\"fronts\": [{\"name\": \"a\", \"listen\": 5901}]}",
                "body: 'fronts[0].listen' is 5901, a text is wanted (line 1, column 37)");
    }

    private void refuses(int status, String method, String path, String body, String detail) throws IOException {
        DaemonClient.Answer answer = fixture.send(method, path, body);
        assertThat(answer.status()).as(answer.body()).isEqualTo(status);
        assertThat(answer.headers()).containsEntry("content-type", "application/problem+json");
        assertThat(Json.parseObject(answer.body()).get("detail").toString()).startsWith(detail);
    }

    @Test
    void overTcpATokenIsNeededWhoseRoleAllowsIt() throws Exception {
        var tokens = new Tokens(fixture.home);
        String viewer = tokens.create("v", "viewer");
        String admin = tokens.create("a", "admin");

        assertThat(overTcp("GET", "/v1/vms", null)).isEqualTo(401);
        assertThat(overTcp("GET", "/v1/vms", "wrong")).isEqualTo(401);
        assertThat(overTcp("GET", "/v1/vms", viewer)).isEqualTo(200);
        assertThat(overTcp("POST", "/v1/vms/nemo/stop", viewer)).isEqualTo(403);
        assertThat(overTcp("POST", "/v1/vms/nemo/stop", admin)).isEqualTo(404);
        assertThat(overTcp("POST", "/v1/vms", admin)).as("files of the host").isEqualTo(403);
        assertThat(Files.readString(fixture.home.root().resolve("tokens.json"))).doesNotContain(viewer, admin);
        assertThat(tokens.remove("v")).isTrue();
        assertThat(overTcp("GET", "/v1/vms", viewer)).isEqualTo(401);
    }

    @Test
    void aTokenForSomeVmsSeesNoOthersAndWhatItDoesIsWrittenDown() throws Exception {
        for (String name : List.of("ada-1", "bob-1")) {
            fixture.engine.create(VmRequest.named(name).withMemory("64M"));
        }
        String ada = new Tokens(fixture.home).create("ada", "operator", List.of("ada-*"));

        assertThat(overTcp("GET", "/v1/vms/ada-1", ada)).isEqualTo(200);
        assertThat(overTcp("GET", "/v1/vms/bob-1", ada)).isEqualTo(403);
        assertThat(overTcp("GET", "/v1/images", ada)).isEqualTo(403);
        assertThat(overTcp("POST", "/v1/vms/bob-1/start", ada)).isEqualTo(403);
        assertThat(overTcp("POST", "/v1/vms/ada-1/stop", ada)).isEqualTo(200);
        assertThat(bodyOverTcp("/v1/vms", ada)).contains("ada-1").doesNotContain("bob-1");
        assertThat(bodyOverTcp("/v1/host", ada)).contains("\"vms\":1");

        String audit = Files.readString(fixture.home.root().resolve("audit.log"));
        assertThat(audit)
                .contains("\"who\":\"ada\"", "\"what\":\"POST /v1/vms/ada-1/stop\",\"vm\":\"ada-1\"")
                .contains("\"what\":\"POST /v1/vms/bob-1/start\",\"vm\":\"bob-1\",\"status\":403")
                .doesNotContain(ada);
    }

    @Test
    void whoTriesWrongTokensIsSlowedDown() throws Exception {
        int last = 0;
        for (int i = 0; i < 15; i++) {
            last = overTcp("GET", "/v1/vms", "wrong" + i);
        }
        assertThat(last).isEqualTo(429);
        String valid = new Tokens(fixture.home).create("v", "viewer");
        assertThat(overTcp("GET", "/v1/vms", valid)).as("at the same address").isEqualTo(200);
    }

    @Test
    void aRequestThatIsWrongBeginsNothing() throws Exception {
        fixture.engine.create(VmRequest.named("web").withMemory("64M"));
        fixture.run("start", "web");

        for (String action : List.of("suspend", "stop", "checkpoint", "resume")) {
            refuses(
                    400,
                    "POST",
                    "/v1/vms/web/" + action + "?wait=99",
                    null,
                    "query: 'wait' is '99', 0 to 60 are allowed");
        }
        refuses(400, "GET", "/v1/operations?after=nope", null, "query: 'after' is 'nope', no such operation");

        Object operations = fixture.ok(200, "GET", "/v1/operations").get("items");
        assertThat(operations).asInstanceOf(InstanceOfAssertFactories.LIST).hasSize(1);
        assertThat(fixture.state("web")).isEqualTo("running");
    }

    @Test
    void aFrontWhereAnotherVmHasOneIsRefused() throws Exception {
        fixture.engine.create(VmRequest.named("web").withMemory("64M"));
        fixture.engine.create(VmRequest.named("other").withMemory("64M"));
        String front = "{\"fronts\":[{\"name\":\"f\",\"listen\":\"%s\",\"target\":\"127.0.0.1:22\"}]}";
        int port = FreePort.any();
        String taken = front.formatted(port);
        assertThat(fixture.send("PUT", "/v1/vms/web/settings", taken).status()).isEqualTo(200);

        refuses(
                400,
                "PUT",
                "/v1/vms/other/settings",
                front.formatted("0.0.0.0:" + port),
                "front f: at 0.0.0.0:%d vm web has its front f, choose another port".formatted(port));
        assertThat(fixture.send("PUT", "/v1/vms/web/settings", taken).status())
                .as("of itself")
                .isEqualTo(200);
    }

    @Test
    void aFrontToWhatTheVmHasNotIsRefused() throws Exception {
        fixture.engine.create(VmRequest.named("web").withMemory("64M"));
        String front = "{\"fronts\":[{\"name\":\"f\",\"listen\":\"0\",\"target\":\"%s\"}]}";

        refuses(
                400,
                "PUT",
                "/v1/vms/web/settings",
                front.formatted("vnc"),
                "front f: the VM has no VNC server, which 'vm create --vnc' gives it");
        refuses(
                400,
                "PUT",
                "/v1/vms/web/settings",
                front.formatted("guest:22"),
                "front f: none of the VM's forwards leads to port 22 of the guest, ");
        refuses(400, "PUT", "/v1/vms/web/settings", "{\"fronts\":[{\"name\":\"f\"}]}", "front: 'listen' is missing");
        refuses(
                400,
                "PUT",
                "/v1/vms/web/settings",
                "{\"idle\": {\"afterSeconds\": 600, \"cpuPercent\": 10, \"awakeSeconds\": 60, \"askGuest\": true}}",
                "idle: the guest cannot be asked and would never be suspended, the VM has no channel for its agent; ");
        String sleep = "{\"sleep\": {\"windows\": [{\"from\": \"20:00\", \"to\": \"%s\"}], \"askGuest\": true}}";
        refuses(400, "PUT", "/v1/vms/web/settings", sleep.formatted("24:00"), "sleep: the guest cannot be asked and ");
        refuses(400, "PUT", "/v1/vms/web/settings", sleep.formatted("24:01"), "sleep '20:00-24:01': not hours of ");
        refuses(
                400,
                "PUT",
                "/v1/vms/web/settings",
                "{\"sleep\": {\"from\": \"20:00\", \"to\": \"07:30\"}}",
                "body: 'sleep.from' is not known here, known are: windows, awakeSeconds, askGuest");
    }

    @Test
    void whatIsNoHttpOrTooLargeIsAProblemToo() throws Exception {
        assertThat(raw("GET /v1/vms/a%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
                .startsWith("HTTP/1.1 400 ")
                .contains("application/problem+json", "urn:dormouse:http-400");
        String large = "X: " + "x".repeat(20_000);
        for (String method : List.of("GET", "PUT", "DELETE")) {
            assertThat(raw(method + " /v1/vms HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + large))
                    .startsWith("HTTP/1.1 431 ")
                    .contains("application/problem+json", "urn:dormouse:http-431");
        }
    }

    /// That is no error of the server.
    @Test
    void aClientThatHangsUpInItsRequestIsNoted() throws Exception {
        String admin = new Tokens(fixture.home).create("a", "admin");
        Path audit = fixture.home.root().resolve("audit.log");
        try (var socket = new java.net.Socket(
                InetAddress.getLoopbackAddress(), fixture.server().port())) {
            String request = "POST /v1/vms/nemo/stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n"
                    + "Authorization: Bearer " + admin + "\r\n\r\n{";
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
        }

        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!Files.exists(audit) || !Files.readString(audit).contains("\"status\":")) {
            assertThat(System.nanoTime() - end).isNegative();
            Thread.sleep(10);
        }
        assertThat(Files.readString(audit)).contains("nemo/stop", "\"status\":400");
    }

    private String raw(String request) throws IOException {
        try (var socket = new java.net.Socket(
                InetAddress.getLoopbackAddress(), fixture.server().port())) {
            socket.setSoTimeout(60_000);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            var answer = new ByteArrayOutputStream();
            try {
                socket.getInputStream().transferTo(answer);
            } catch (SocketException _) {
                // It did not read all that it was sent, and the connection ends with a reset.
            }
            return answer.toString(StandardCharsets.US_ASCII);
        }
    }

    /// Each of them a connection that says nothing, or says it slowly, or too much.
    @Test
    void badClientsHoldUpNobody() throws Exception {
        String admin = new Tokens(fixture.home).create("a", "admin");
        var idle = new ArrayList<java.net.Socket>();
        for (int i = 0; i < 300; i++) {
            var socket = new java.net.Socket(
                    InetAddress.getLoopbackAddress(), fixture.server().port());
            socket.getOutputStream().write("GET /v1/vms HTTP/1.1\r\nX: ".getBytes(StandardCharsets.US_ASCII));
            idle.add(socket);
        }
        assertThat(overTcp("GET", "/v1/vms", admin)).isEqualTo(200);
        var endless = HttpRequest.BodyPublishers.ofInputStream(() -> new java.io.SequenceInputStream(
                new java.io.ByteArrayInputStream("{\"force\":".getBytes(StandardCharsets.US_ASCII)),
                new java.io.ByteArrayInputStream(new byte[10 << 20])));
        assertThat(status("POST", "/v1/vms/nemo/stop", admin, endless)).isIn(400, 413);
        for (var socket : idle) {
            socket.close();
        }
    }

    private String bodyOverTcp(String path, String token) throws Exception {
        var request = HttpRequest.newBuilder(
                        URI.create("http://127.0.0.1:" + fixture.server().port() + path))
                .header("Authorization", "Bearer " + token)
                .build();
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(request, HttpResponse.BodyHandlers.ofString()).body();
        }
    }

    private int overTcp(String method, String path, String token) throws Exception {
        return status(method, path, token, HttpRequest.BodyPublishers.noBody());
    }

    private int status(String method, String path, String token, HttpRequest.BodyPublisher body) throws Exception {
        var request = HttpRequest.newBuilder(
                        URI.create("http://127.0.0.1:" + fixture.server().port() + path))
                .method(method, body);
        if (token != null) {
            request.header("Authorization", "Bearer " + token);
        }
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(request.build(), HttpResponse.BodyHandlers.discarding())
                    .statusCode();
        }
    }

    @Test
    void listsPageByPageAndADamagedVmHidesNoOther() throws Exception {
        for (String name : List.of("a", "b", "c")) {
            fixture.engine.create(VmRequest.named(name).withMemory("64M"));
        }
        Files.writeString(fixture.home.vm("b").resolve("state.json"), "{");

        Map<String, Object> first = fixture.ok(200, "GET", "/v1/vms?limit=2");
        Map<String, Object> second = fixture.ok(200, "GET", "/v1/vms?limit=2&after=" + first.get("next"));

        assertThat(first).containsEntry("next", "b");
        assertThat(first.get("items").toString()).contains("state=stopped", "state=unreadable", "is damaged");
        assertThat(second.get("items").toString()).contains("name=c");
        assertThat(second).doesNotContainKey("next");
        assertThat(fixture.ok(200, "GET", "/v1/images").get("items")).isEqualTo(List.of());
        Map<String, Object> refusal = fixture.ok(409, "DELETE", "/v1/vms/b");
        assertThat(refusal.get("detail").toString()).endsWith("remove the VM with 'dormouse rm --force b'");
        assertThat(fixture.send("DELETE", "/v1/vms/b?force=true", null).status())
                .isEqualTo(204);
        assertThat(fixture.home.vm("b")).doesNotExist();
    }

    @Test
    void manyWhoWakeAVmAtOnceShareOneOperation() throws Exception {
        fixture.engine.create(VmRequest.named("web").withMemory("64M"));
        fixture.run("start", "web");
        fixture.run("suspend", "web");
        var ids = java.util.concurrent.ConcurrentHashMap.<Object>newKeySet();
        var threads = new ArrayList<Thread>();

        for (int i = 0; i < 20; i++) {
            threads.add(Thread.startVirtualThread(() -> {
                try {
                    var answer = fixture.send("POST", "/v1/vms/web/resume?wait=60", null);
                    assertThat(answer.status()).isIn(200, 202);
                    if (answer.status() == 202) {
                        ids.add(Json.parseObject(answer.body()).get("id"));
                    }
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }));
        }
        for (Thread thread : threads) {
            thread.join();
        }

        assertThat(ids).hasSize(1);
        assertThat(fixture.state("web")).isIn("running", "restoring");
    }

    @Test
    void eventsTellOfAnOperationFromItsBeginToItsEndAndGoOnAfterABreak() throws Exception {
        fixture.engine.create(VmRequest.named("web").withMemory("64M"));
        String lastId;
        try (var stream = fixture.client().open("GET", "/v1/events?vm=web", null)) {
            var lines = new BufferedReader(new InputStreamReader(stream.body(), StandardCharsets.UTF_8));
            lines.readLine();
            fixture.run("start", "web");
            String line = lines.readLine();
            while (!line.contains("\"kind\":\"start\"")) {
                line = lines.readLine();
            }
            assertThat(line).startsWith("data: {").contains("\"state\":\"running\"");
            lastId = "1";
        }

        try (var stream = fixture.client().open("GET", "/v1/events?after=" + lastId, null)) {
            var lines = new BufferedReader(new InputStreamReader(stream.body(), StandardCharsets.UTF_8));
            String line = lines.readLine();
            while (!line.contains("\"succeeded\"")) {
                assertThat(line).doesNotContain("id: 1\n");
                line = lines.readLine();
            }
        }
        try (var stream = fixture.client().open("GET", "/v1/events?after=1000000", null)) {
            var lines = new BufferedReader(new InputStreamReader(stream.body(), StandardCharsets.UTF_8));
            lines.readLine();
            lines.readLine();
            assertThat(lines.readLine() + lines.readLine()).contains("event: reset");
        }
    }
}
