package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Command;
import dev.dormouse.base.Json;
import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.testkit.FaultReport;
import dev.dormouse.testkit.FreePort;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.io.TempDir;

/// A real guest with a screen and a service: clients wake it, and it is suspended when they have gone. One guest goes
/// through all of it; beside it VMs without an operating system wait for what their policies do with them.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class WakeOnConnectTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int PATTERN_MEBIBYTES = 48;
    private static final int CLIENTS_MAX = 2000; // Of a front.
    private static final int AWAKE_SECONDS = 10;
    private static final String ECHO = ", {\"name\": \"echo\", \"listen\": \"127.0.0.1:0\", \"target\": \"guest:7\"}";
    private static final String ALWAYS = "{\"windows\": [{\"from\": \"00:00\", \"to\": \"24:00\"}]}";
    private static final String ALWAYS_BUT_ASK = ALWAYS.replace("]}", "], \"askGuest\": true}");
    private static final String IDLE_AFTER_A_SECOND =
            ", \"idle\": {\"afterSeconds\": 1, \"cpuPercent\": 80, \"awakeSeconds\": 0}";
    private static final String IDLE_UNLESS_THE_GUEST_OBJECTS =
            IDLE_AFTER_A_SECOND.replace("}", ", \"askGuest\": true}");

    @TempDir
    static Path folder;

    private DaemonFixture fixture;
    private byte[] screen;
    private Instant patientSince;

    @BeforeAll
    void boot() throws Exception {
        fixture = new DaemonFixture(folder, new DaemonOptions(null, null, 0, 1)); // One restore at a time.
        VmRequest request = GuestVm.requestWithAgent(GuestImage.locate(), "desk", "256M")
                .withVnc("unix:{runtime}/vnc")
                .withNetworks(List.of(new VmRequest.NetworkRequest(
                        "user", null, List.of("tcp:127.0.0.1:%d-:7".formatted(FreePort.any())), null)));
        fixture.engine.create(request);
        startTheOthers();
        fixture.run("start", "desk");
        try (GuestProbe probe = GuestVm.connect(fixture.home, "desk", LONG)) {
            probe.ping("boot", LONG);
            probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
        }
        inGuest("sh", "-c", """
                cd /lib/modules
                for module in failover net_failover virtio_net; do /bin/busybox insmod $module.ko; done
                /bin/busybox ifconfig eth0 10.0.2.15 up
                exec /bin/busybox nc -ll -p 7 -e /bin/cat
                """);
        configure("");
        try (var client = new RfbClient(front())) {
            screen = client.screen();
        }
        assertThat(distinct(screen)).isGreaterThan(1);
    }

    private void startTheOthers() throws Exception {
        for (String name : List.of("other", "nightly", "pinned", "patient", "silent", "young")) {
            VmRequest request = VmRequest.named(name).withMemory("64M").withVnc("unix:{runtime}/vnc");
            fixture.engine.create(name.equals("silent") ? request.withGuestAgent(true) : request); // Nobody is there.
            fixture.run("start", name);
        }
        fixture.run("suspend", "other");
        String anyRest = "\"idle\": {\"afterSeconds\": 1, \"cpuPercent\": 100, \"awakeSeconds\": %d}";
        put("silent", "{\"sleep\": %s}".formatted(ALWAYS_BUT_ASK));
        put("young", "{\"sleep\": %s}".formatted(ALWAYS.replace("]}", "], \"awakeSeconds\": 3600}")));
        put("nightly", """
                {"sleep": %s, "fronts": [{"name": "vnc", "listen": "127.0.0.1:0", "target": "vnc"}]}
                """.formatted(ALWAYS));
        put("pinned", "{\"sleep\": %s, %s, \"pinned\": true}".formatted(ALWAYS, anyRest.formatted(0)));
        patientSince = Instant.now();
        put("patient", "{%s}".formatted(anyRest.formatted(AWAKE_SECONDS)));
    }

    private void put(String vm, String settings) throws IOException {
        DaemonClient.Answer answer = fixture.send("PUT", "/v1/vms/" + vm + "/settings", settings);
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
    }

    @AfterAll
    void end() throws IOException {
        fixture.close();
    }

    /// What the test before has begun has ended then, too: a VM is suspended a moment before the operation is over.
    @BeforeEach
    void sleep() throws Exception {
        configure("");
        await(() -> !fixture.ok(200, "GET", "/v1/vms/desk").containsKey("operation"));
        if (!fixture.state("desk").equals("suspended")) {
            fixture.run("suspend", "desk");
        }
    }

    private void configure(String more) throws IOException {
        configure(more, "");
    }

    private void configure(String more, String moreFronts) throws IOException {
        String fronts =
                "[{\"name\": \"vnc\", \"listen\": \"127.0.0.1:0\", \"target\": \"vnc\"}%s]".formatted(moreFronts);
        put("desk", "{\"fronts\": " + fronts + more + "}");
    }

    private InetSocketAddress front() throws IOException {
        return fixture.fronts().address("desk", "vnc");
    }

    @Test
    void clientsWhoComeTogetherWakeItOnceByTheQemuThatWaitsAndSeeItsScreen() throws Exception {
        long resumes = resumes();
        configure(", \"rehearse\": true");
        await(() -> !fixture.engine.isToBeRehearsed("desk"));
        configure(", \"standby\": true");
        await(() -> fixture.engine.isOnStandby("desk"));
        Long waiting = fixture.engine.status("desk").standbyPid();
        List<byte[]> screens = new ArrayList<>();
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var clients = new ArrayList<CompletableFuture<byte[]>>();
            for (int i = 0; i < 8; i++) {
                clients.add(CompletableFuture.supplyAsync(this::look, threads));
            }
            for (var client : clients) {
                screens.add(client.get(60, TimeUnit.SECONDS));
            }
        }

        assertThat(resumes()).isEqualTo(resumes + 1);
        assertThat(fixture.engine.status("desk").pid()).isEqualTo(waiting);
        for (byte[] seen : screens) {
            assertThat(RfbClient.difference(seen, screen))
                    .as("but for a cursor")
                    .isLessThan(0.01);
        }
        try (GuestProbe probe = GuestVm.connect(fixture.home, "desk", LONG)) {
            assertThat(probe.verify("pattern", LONG)).isEqualTo((long) PATTERN_MEBIBYTES << 20);
        }
    }

    @Test
    void itIsSuspendedWhenTheLastClientHasGoneAndItRests() throws Exception {
        try (var client = new RfbClient(front())) {
            client.screen();
            configure(IDLE_AFTER_A_SECOND);
            Thread.sleep(2500); // As long as somebody looks it stays awake.
            assertThat(fixture.state("desk")).isIn("running", "restoring");
            assertThat(fixture.ok(200, "GET", "/v1/vms/desk")).containsEntry("clients", 1L);
            await(() -> fixture.state("desk").equals("running"));
        }

        await(() -> fixture.state("desk").equals("suspended"));
        await(() -> newest("suspend").contains("\"state\":\"succeeded\""));
    }

    /// What is asked, and does what the guest's owner would do, is QEMU's own agent.
    @Test
    void aGuestThatWantsToStayAwakeDoesUntilItSaysSoNoMore() throws Exception {
        fixture.run("resume", "desk");
        String suspend = newest("suspend");
        inGuest("touch", Engine.STAY_AWAKE);
        await(() -> fixture.engine.staysAwake("desk"));

        configure(IDLE_UNLESS_THE_GUEST_OBJECTS);
        Thread.sleep(4000); // It is asked once a second.
        assertThat(fixture.state("desk")).isEqualTo("running");
        assertThat(newest("suspend")).isEqualTo(suspend);

        configure("");
        inGuest("rm", Engine.STAY_AWAKE);
        await(() -> !fixture.engine.staysAwake("desk"));
        configure(IDLE_UNLESS_THE_GUEST_OBJECTS);
        await(() -> fixture.state("desk").equals("suspended"));
    }

    /// Has the agent run a program of busybox, whose end is not waited for.
    private void inGuest(String... arguments) throws IOException {
        try (var channel = SocketChannel.open(
                UnixDomainSocketAddress.of(fixture.home.sockets("desk").resolve("agent")))) {
            var agent = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
            String request = Json.write(Map.of(
                    "execute", "guest-exec", "arguments", Map.of("path", "/bin/busybox", "arg", List.of(arguments))));
            channel.write(ByteBuffer.wrap((request + "\n").getBytes(StandardCharsets.UTF_8)));
            assertThat(agent.readLine()).contains("\"pid\"");
        }
    }

    @Test
    void itRunsOnWhileTheDiskIsFullAndIsSuspendedLater() throws Exception {
        fixture.run("resume", "desk");
        itRunsOnWhileTheDiskIsFull();
        configure(IDLE_AFTER_A_SECOND);
        await(() -> fixture.state("desk").equals("suspended"));
    }

    private void itRunsOnWhileTheDiskIsFull() throws Exception {
        String images = fixture.home.images().toString();
        var mounted = Command.tryRun(List.of("mount", "-t", "tmpfs", "-o", "size=1m", "dormouse-test", images), LONG);
        Assumptions.assumeTrue(mounted.exitCode() == 0, "only root may mount a small file system");
        try (var fault = FaultReport.inject("disk full", "suspend of an idle VM")) {
            configure(IDLE_AFTER_A_SECOND);
            await(() -> newest("suspend").contains("No space left on device"));
            fault.verify(() -> {
                try (GuestProbe probe = GuestVm.connect(fixture.home, "desk", LONG)) {
                    return probe.verify("pattern", LONG);
                }
            });
        } finally {
            Command.run(List.of("umount", "--lazy", images), LONG);
        }
    }

    @Test
    void bytesPassBothWaysBetweenAClientAndAServiceOfTheGuestThatItWakes() throws Exception {
        configure("", ECHO);
        byte[] said = new byte[300_000];
        new Random(7).nextBytes(said);
        var heard = new ByteArrayOutputStream();

        try (var client = new Socket()) {
            client.setSoTimeout((int) LONG.toMillis());
            client.connect(fixture.fronts().address("desk", "echo"));
            Thread.startVirtualThread(() -> say(client, said));
            client.getInputStream().transferTo(heard); // It ends when the guest has heard the end.
        }

        assertThat(heard.toByteArray()).isEqualTo(said);
        assertThat(newest("resume")).contains("\"guestRunsMillis\"");
        await(() -> clients() == 0);
        assertThat(fixture.send("GET", "/v1/vms/desk/clients?limit=1", null).body())
                .contains("\"front\":\"echo\"", "\"reachedMillis\"", "\"firstBytesMillis\"");
    }

    private static void say(Socket client, byte[] bytes) {
        try {
            client.getOutputStream().write(bytes);
            client.shutdownOutput();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /// The wake waits for its turn until all have come that are to come.
    @Test
    void whoLeavesWhileItWakesCountsNoMoreWhateverItSaidAndWhoWaitsForItsAnswerGetsIt() throws Exception {
        configure("", ECHO);
        DaemonClient.Answer first =
                fixture.send("POST", "/v1/vms/other/resume?wait=60", "{\"backgroundBytesPerSecond\": 0}");
        assertThat(first.body()).contains("\"guestRunsMillis\"").doesNotContain("\"ended\"");
        InetSocketAddress echo = fixture.fronts().address("desk", "echo");

        try (var waiting = SocketChannel.open(echo)) {
            await(() -> newest("resume").contains("\"state\":\"queued\""));
            assertThat(clients()).isEqualTo(1);
            waiting.write(ByteBuffer.wrap("hello".getBytes(StandardCharsets.UTF_8)));
            waiting.shutdownOutput();
            try (var fault = FaultReport.inject("client leaves", "while its VM wakes")) {
                try (SocketChannel _ = SocketChannel.open(front())) {
                    await(() -> clients() > 0);
                }
                try (var hasty = SocketChannel.open(echo)) {
                    hasty.write(ByteBuffer.wrap(new byte[100]));
                }
                await(() -> clients() == 0);
                assertThat(fixture.state("desk")).isEqualTo("suspended");
                assertThat(newest("resume")).contains("\"state\":\"queued\"");

                assertThat(fixture.send("POST", "/v1/vms/other/stop?wait=60", "{\"force\": true}")
                                .status())
                        .isEqualTo(202);
                var heard = ByteBuffer.allocate(100);
                while (waiting.read(heard) >= 0) {}
                fault.verify(() -> {
                    assertThat(new String(heard.array(), 0, heard.position(), StandardCharsets.UTF_8))
                            .isEqualTo("hello");
                    return heard.position();
                });
            }
        }
        await(() -> clients() == 0);
        await(() -> fixture.send("GET", "/v1/vms/desk/clients?limit=3", null)
                .body()
                .contains("\"error\":\"left before the VM was reached\""));
    }

    @Test
    void aRestoreTellsOfItsProgressWhileItGoesOnAndLeavesATrace() throws Exception {
        var progress = new ArrayList<Map<String, Object>>();
        Map<String, Object> resume;
        try (var stream = fixture.client().open("GET", "/v1/events?vm=desk", null);
                var lines = new BufferedReader(new InputStreamReader(stream.body(), StandardCharsets.UTF_8))) {
            DaemonClient.Answer answer =
                    fixture.send("POST", "/v1/vms/desk/resume", "{\"backgroundBytesPerSecond\": 12000000}");
            assertThat(answer.status()).as(answer.body()).isEqualTo(202);
            resume = restoreOf(Json.parseObject(answer.body()).get("id"), lines, progress);
        }

        assertThat(progress).allMatch(event -> event.get("vm").equals("desk"));
        assertThat(progress.stream().map(event -> event.get("total")).distinct())
                .hasSize(1);
        for (String figure : List.of("done", "demandedPages", "prefetchedPages")) {
            assertThat(figures(progress, figure)).as(figure).isSorted();
        }
        assertThat(figures(progress, "done").stream().distinct()).hasSizeGreaterThan(3);
        assertThat(figures(progress, "prefetchedPages").stream().distinct()).hasSizeGreaterThan(3);
        assertThat(figures(progress, "done").getLast())
                .isLessThanOrEqualTo(number(progress.getLast().get("total")));
        theTraceTellsOf(resume);
    }

    private static List<Long> figures(List<Map<String, Object>> events, String figure) {
        return events.stream().map(event -> number(event.get(figure))).toList();
    }

    private static Long number(Object value) {
        return ((Number) value).longValue();
    }

    /// {@return the operation when it has ended, by the events alone}
    private static Map<String, Object> restoreOf(Object id, BufferedReader lines, List<Map<String, Object>> progress)
            throws IOException {
        String type = "";
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            if (line.startsWith("event: ")) {
                type = line.substring("event: ".length());
            } else if (line.startsWith("data: ")) {
                Map<String, Object> data = Json.parseObject(line.substring("data: ".length()));
                if (type.equals("progress") && id.equals(data.get("operation"))) {
                    progress.add(data);
                } else if (type.equals("operation") && id.equals(data.get("id")) && data.containsKey("ended")) {
                    return data;
                }
            }
        }
        throw new AssertionError("the stream ended before the restore");
    }

    private void theTraceTellsOf(Map<String, Object> resume) throws IOException {
        Map<?, ?> trace = fixture.ok(200, "GET", "/v1/operations/%s/trace".formatted(resume.get("id")));
        Map<?, ?> resource = only(trace, "resourceSpans");
        assertThat(Json.write(resource.get("resource"))).contains(attribute("service.name", "stringValue", "dormouse"));
        List<Map<String, Object>> spans =
                Json.parseObjects(Json.write(only(resource, "scopeSpans").get("spans")));
        assertThat(spans.stream().map(span -> span.get("name")))
                .containsExactly(
                        "resume desk",
                        "queued",
                        "until the guest runs",
                        "until all memory is there and disks are merged");
        Map<String, Object> root = spans.getFirst();
        assertThat(root.get("traceId").toString()).matches("[0-9a-f]{32}");
        assertThat(root.get("status")).isEqualTo(Map.of("code", 1L));
        long end = nanos(root, "startTimeUnixNano");
        for (Map<String, Object> span : spans.subList(1, spans.size())) { // One follows the other.
            assertThat(span.get("traceId")).isEqualTo(root.get("traceId"));
            assertThat(span.get("parentSpanId")).isEqualTo(root.get("spanId"));
            assertThat(nanos(span, "startTimeUnixNano")).isEqualTo(end);
            end = nanos(span, "endTimeUnixNano");
        }
        assertThat(end).isEqualTo(nanos(root, "endTimeUnixNano"));
        Map<String, Object> runs = spans.get(2);
        assertThat(nanos(runs, "endTimeUnixNano") - nanos(runs, "startTimeUnixNano"))
                .isEqualTo(TimeUnit.MILLISECONDS.toNanos(number(resume.get("guestRunsMillis"))));

        var report = (Map<?, ?>) ((Map<?, ?>) resume.get("result")).get("report");
        String attributes = Json.write(root.get("attributes"));
        assertThat(attributes)
                .contains(attribute("dormouse.vm", "stringValue", "desk"))
                .contains(attribute("dormouse.operation", "stringValue", resume.get("id")));
        for (String figure : List.of("nonZeroPages", "demandedPages", "prefetchedPages", "demandMicrosP99")) {
            assertThat(attributes).contains(attribute("dormouse." + figure, "intValue", report.get(figure)));
        }
        List<Map<String, Object>> events = Json.parseObjects(Json.write(root.get("events")));
        assertThat(events)
                .isNotEmpty()
                .allSatisfy(event -> assertThat(nanos(event, "timeUnixNano"))
                        .isBetween(nanos(root, "startTimeUnixNano"), nanos(root, "endTimeUnixNano")));
    }

    private static Map<?, ?> only(Map<?, ?> of, String name) {
        List<?> items = (List<?>) of.get(name);
        assertThat(items).as(name).hasSize(1);
        return (Map<?, ?>) items.getFirst();
    }

    private static long nanos(Map<?, ?> span, String name) {
        return Long.parseLong(String.valueOf(span.get(name)));
    }

    private static String[] attribute(String key, String kind, Object value) {
        return new String[] {"\"key\":\"%s\"".formatted(key), "\"%s\":\"%s\"".formatted(kind, value)};
    }

    /// They had all the time of the other tests.
    @Test
    @Order(Integer.MAX_VALUE)
    void policiesHoldInARealDaemonHoursOfSleepMinimumTimeAwakeAndPin() throws Exception {
        await(() -> fixture.state("patient").equals("suspended"));
        Object suspended = Json.parseObject(newest("suspend", "patient")).get("created");
        assertThat(Instant.parse(suspended.toString())).isAfter(patientSince.plusSeconds(AWAKE_SECONDS));

        await(() -> fixture.state("nightly").equals("suspended"));
        try (var client = new RfbClient(fixture.fronts().address("nightly", "vnc"))) { // It wakes all the same.
            assertThat(client.screen()).isNotEmpty();
            assertThat(fixture.state("nightly")).isIn("running", "restoring");
        }

        for (String name : List.of("pinned", "silent", "young")) { // The second cannot say that it may be suspended.
            assertThat(fixture.state(name)).isEqualTo("running");
            assertThat(newest("suspend", name)).isEmpty();
        }
    }

    /// Long, because hours of sleep wait for a minute without a client.
    @Tag("soak")
    @Test
    void aGuestThatWantsToStayAwakeDoesInItsHoursOfSleep() throws Exception {
        fixture.run("resume", "desk");
        inGuest("touch", Engine.STAY_AWAKE);
        await(() -> fixture.engine.staysAwake("desk"));
        String suspend = newest("suspend");

        configure(", \"sleep\": " + ALWAYS_BUT_ASK);
        Thread.sleep(Duration.ofSeconds(Sleep.REST_SECONDS + 10));
        assertThat(fixture.state("desk")).isEqualTo("running");
        assertThat(newest("suspend")).isEqualTo(suspend);

        inGuest("rm", Engine.STAY_AWAKE);
        Thread.sleep(Duration.ofSeconds(Sleep.REST_SECONDS - 10)); // It is asked once a minute.
        await(() -> fixture.state("desk").equals("suspended"));
    }

    @Test
    void whoLeavesWhileItWakesAndThousandsWhoSayNothingKeepNobodyOut() throws Exception {
        try (SocketChannel _ = SocketChannel.open(front())) {
            await(() -> !fixture.state("desk").equals("suspended"));
        }
        await(() -> clients() == 0);
        var silent = new ArrayList<SocketChannel>();
        try (var far = ServerSocketChannel.open()) { // Never accepts: the system does.
            far.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), CLIENTS_MAX);
            int port = ((InetSocketAddress) far.getLocalAddress()).getPort();
            configure(
                    "",
                    ", {\"name\": \"far\", \"listen\": \"127.0.0.1:0\", \"target\": \"127.0.0.1:%d\"}".formatted(port));
            for (int i = 0; i < CLIENTS_MAX; i++) {
                silent.add(SocketChannel.open(fixture.fronts().address("desk", "far")));
            }
            await(() -> clients() == CLIENTS_MAX);
            try (var oneMore = SocketChannel.open(fixture.fronts().address("desk", "far"))) {
                assertThat(oneMore.read(ByteBuffer.allocate(1))).isEqualTo(-1);
            }
            assertThat(look()).hasSameSizeAs(screen); // By the other front.
        } finally {
            for (SocketChannel client : silent) {
                client.close();
            }
        }
        await(() -> clients() == 0);
    }

    private long clients() throws IOException {
        return ((Number) fixture.ok(200, "GET", "/v1/vms/desk").get("clients")).longValue();
    }

    /// {@return the newest operation of a kind, JSON; empty if there is none}
    private String newest(String kind) throws IOException {
        return newest(kind, "desk");
    }

    private String newest(String kind, String vm) throws IOException {
        Map<String, Object> page = fixture.ok(200, "GET", "/v1/operations?limit=500&vm=" + vm);
        return ((List<?>) page.get("items"))
                .stream()
                        .map(Json::write)
                        .filter(operation -> operation.contains("\"kind\":\"%s\"".formatted(kind)))
                        .findFirst()
                        .orElse("");
    }

    private static void await(Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (!condition.call()) {
            assertThat(System.nanoTime() - end).isNegative();
            Thread.sleep(20);
        }
    }

    @Test
    void aWakeThatFailsTellsTheClientWhyAndTheNextOneSucceeds() throws Exception {
        Object image = fixture.ok(200, "GET", "/v1/vms/desk").get("image");
        Path file = fixture.home.image(String.valueOf(image));
        Path aside = folder.resolve("aside");
        itsDiskIsGone(aside);
        Files.move(file, aside);
        try (var fault = FaultReport.inject("image missing", "wake on connect")) {
            assertThatThrownBy(() -> new RfbClient(front()))
                    .isInstanceOf(RfbClient.RefusedException.class)
                    .hasMessage(
                            file
                                    + ": the image of vm desk is missing, put it back; 'dormouse start --discard-state desk' boots the VM without it");
            assertThat(fixture.state("desk")).isEqualTo("suspended");

            Files.move(aside, file);
            fault.verify(() -> look().length);
        }
    }

    private void itsDiskIsGone(Path aside) throws Exception {
        Path disk;
        try (Stream<Path> disks = Files.list(fixture.home.vm("desk").resolve("disks"))) {
            disk = disks.filter(file -> file.toString().endsWith(".qcow2"))
                    .findFirst()
                    .orElseThrow();
        }
        Files.move(disk, aside);
        try (var fault = FaultReport.inject("disk missing", "wake on connect")) {
            assertThatThrownBy(() -> new RfbClient(front()))
                    .isInstanceOf(RfbClient.RefusedException.class)
                    .hasMessageContaining(disk.getParent().toString())
                    .hasMessageContaining("is missing");
            fault.verify(() -> {
                assertThat(fixture.state("desk")).isEqualTo("suspended");
                return 0;
            });
        } finally {
            Files.move(aside, disk);
        }
    }

    @Test
    void aCrashedVmIsNotWoken() throws Exception {
        Path state = fixture.home.vm("desk").resolve("state.json");
        String suspended = Files.readString(state);
        Files.writeString(state, suspended.replace("SUSPENDED", "CRASHED"));
        try {
            assertThatThrownBy(() -> new RfbClient(front()))
                    .isInstanceOf(RfbClient.RefusedException.class)
                    .hasMessageStartingWith("vm desk: is crashed and not woken by itself: 'dormouse start desk' boots");
        } finally {
            Files.writeString(state, suspended);
        }
    }

    private byte[] look() {
        try (var client = new RfbClient(front())) {
            return client.screen();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private long resumes() throws IOException {
        Map<String, Object> page = fixture.ok(200, "GET", "/v1/operations?limit=500&vm=desk");
        return ((List<?>) page.get("items"))
                .stream()
                        .filter(operation -> Json.write(operation).contains("\"kind\":\"resume\""))
                        .count();
    }

    private static long distinct(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1).chars().distinct().count();
    }
}
