package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.testkit.FaultReport;
import dev.dormouse.testkit.FreePort;
import dev.dormouse.testkit.Leftovers;
import dev.dormouse.testkit.MovableClock;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A daemon in a process of its own, whose clock jumps while it suspends and resumes, lets an idle VM rest, and
/// answers.
@Tag("qemu")
class ClockJumpTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final List<Duration> JUMPS =
            List.of(Duration.ofDays(400), Duration.ofDays(-20), Duration.ofDays(30));
    private static final int PATTERN_MEBIBYTES = 48;
    private static final int IDLE_SECONDS = 40; // Longer than all the jumps take.
    private static final List<String> ANSWERS = List.of(
            "/v1/vms", "/v1/vms/web/history", "/v1/vms/web/clients", "/v1/host", "/v1/host/history", "/v1/operations");

    @TempDir
    Path folder;

    private final List<String> operations = new ArrayList<>();
    private Home home;
    private MovableClock clock;
    private String token;
    private int port;
    private Process daemon;

    @BeforeEach
    void start() throws Exception {
        clock = MovableClock.in(folder);
        port = FreePort.any();
        home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        var engine = new Engine(home, QemuTools.locate(null));
        engine.create(GuestVm.request(GuestImage.locate(), "web", "256M"));
        engine.create(VmRequest.named("rests").withMemory("64M"));
        token = new Tokens(home).create("ada", "viewer");
        var builder = new ProcessBuilder(ProgramInTest.command("serve", "--listen=127.0.0.1:" + port));
        builder.environment().putAll(ProgramInTest.environment(folder));
        builder.environment().putAll(clock.environment());
        daemon =
                builder.redirectErrorStream(true).redirectOutput(log().toFile()).start();
        await(() -> Files.exists(log()) && Files.readString(log()).contains("daemon of "));
    }

    private Path log() {
        return folder.resolve("daemon.log");
    }

    @AfterEach
    void end() throws Exception {
        if (daemon != null) {
            daemon.destroy();
            if (!daemon.waitFor(60, TimeUnit.SECONDS)) {
                daemon.destroyForcibly();
            }
        }
        Leftovers.end(folder, Duration.ZERO);
    }

    @Test
    void nothingIsLostAndNobodyIsSuspendedBeforeItsTime() throws Exception {
        run("start", "rests");
        run("start", "web");
        try (GuestProbe probe = GuestVm.connect(home, "web", LONG)) {
            probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
        }
        long begin = System.nanoTime();
        put("{\"idle\": {\"afterSeconds\": %d, \"cpuPercent\": 100, \"awakeSeconds\": %d}}"
                .formatted(IDLE_SECONDS, IDLE_SECONDS));

        for (Duration jump : JUMPS) {
            try (var fault = FaultReport.inject("clock jumped by %d days".formatted(jump.toDays()), "in a daemon")) {
                jumpInTheMiddle("suspend", jump);
                clock.moveTo(Duration.ZERO);
                jumpInTheMiddle("resume", jump);
                everythingAnswers();
                fault.verify(this::verifyGuest);
            }
        }
        assertThat(System.nanoTime() - begin).as("time for it").isLessThan(nanos(IDLE_SECONDS));
        while (System.nanoTime() - begin < nanos(IDLE_SECONDS - 1)) {
            assertThat(state("rests")).isEqualTo("running");
            TimeUnit.MILLISECONDS.sleep(200);
        }
        await(() -> state("rests").equals("suspended"));
        assertNothingIsLost();
    }

    private static long nanos(int seconds) {
        return TimeUnit.SECONDS.toNanos(seconds);
    }

    private void jumpInTheMiddle(String action, Duration jump) throws Exception {
        Map<String, Object> operation = begin(action, "web");
        clock.moveTo(jump);
        Map<String, Object> ended = awaitEnd(operation);

        Instant there = Instant.now().plus(jump);
        assertThat(Instant.parse(String.valueOf(ended.get("ended")))).isBetween(there.minus(LONG), there.plus(LONG));
    }

    private void everythingAnswers() throws Exception {
        for (String path : ANSWERS) {
            ok(path);
            assertThat(statusOverTcp(path)).as(path).isEqualTo(200);
        }
        assertThat(send("GET", "/metrics", null).status()).isEqualTo(200);
        assertThat(state("rests")).isEqualTo("running");
    }

    private int statusOverTcp(String path) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path))
                .header("Authorization", "Bearer " + token)
                .timeout(LONG)
                .build();
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(request, HttpResponse.BodyHandlers.discarding()).statusCode();
        }
    }

    private long verifyGuest() throws Exception {
        try (GuestProbe probe = GuestVm.connect(home, "web", LONG)) {
            long bytes = probe.verify("pattern", LONG);
            assertThat(bytes).isEqualTo((long) PATTERN_MEBIBYTES << 20);
            return bytes;
        }
    }

    /// Each operation is in the history once, and none that nobody has begun.
    private void assertNothingIsLost() throws Exception {
        await(() -> history("rests").stream().anyMatch(item -> "suspend".equals(item.get("kind"))));
        List<Map<String, Object>> all = new ArrayList<>(history("web"));
        all.addAll(history("rests"));
        assertThat(all)
                .allSatisfy(item ->
                        assertThat(item).containsEntry("outcome", "succeeded").containsEntry("source", "daemon"));
        assertThat(all.stream().map(item -> String.valueOf(item.get("operation"))))
                .hasSize(operations.size() + 1) // That of the policy.
                .doesNotHaveDuplicates()
                .containsAll(operations);
        assertThat(daemon.isAlive()).isTrue();
        assertThat(Files.readString(log())).doesNotContain(" ERROR ", " WARN ");
    }

    private List<Map<String, Object>> history(String vm) throws IOException {
        return Json.parseObjects(Json.write(ok("/v1/vms/" + vm + "/history").get("items")));
    }

    private void run(String action, String vm) throws Exception {
        awaitEnd(begin(action, vm));
    }

    private Map<String, Object> begin(String action, String vm) throws IOException {
        DaemonClient.Answer answer = send("POST", "/v1/vms/" + vm + "/" + action, null);
        assertThat(answer.status()).as(answer.body()).isEqualTo(202);
        Map<String, Object> operation = Json.parseObject(answer.body());
        operations.add(String.valueOf(operation.get("id")));
        return operation;
    }

    private Map<String, Object> awaitEnd(Map<String, Object> operation) throws Exception {
        String path = "/v1/operations/" + operation.get("id");
        await(() -> ok(path).containsKey("ended"));
        assertThat(ok(path)).containsEntry("state", "succeeded");
        return ok(path);
    }

    private void put(String settings) throws IOException {
        DaemonClient.Answer answer = send("PUT", "/v1/vms/rests/settings", settings);
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
    }

    private Object state(String vm) throws IOException {
        return ok("/v1/vms/" + vm).get("state");
    }

    private Map<String, Object> ok(String path) throws IOException {
        DaemonClient.Answer answer = send("GET", path, null);
        assertThat(answer.status()).as("%s: %s", path, answer.body()).isEqualTo(200);
        return Json.parseObject(answer.body());
    }

    private DaemonClient.Answer send(String method, String path, String body) throws IOException {
        return new DaemonClient(DaemonClient.socket(home)).send(method, path, body);
    }

    private static void await(Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (!condition.call()) {
            assertThat(System.nanoTime() - end).isNegative();
            TimeUnit.MILLISECONDS.sleep(20);
        }
    }
}
