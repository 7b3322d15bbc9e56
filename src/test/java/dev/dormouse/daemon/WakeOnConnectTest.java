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
import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/// A real guest with a screen: VNC clients wake it, and it is suspended when they have gone. One guest goes through
/// all
/// of it.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class WakeOnConnectTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int PATTERN_MEBIBYTES = 48;
    private static final int CLIENTS_MAX = 2000; // Of a front.
    private static final String IDLE_AFTER_A_SECOND =
            ", \"idle\": {\"afterSeconds\": 1, \"cpuPercent\": 80, \"awakeSeconds\": 0}";
    private static final String IDLE_UNLESS_THE_GUEST_OBJECTS =
            IDLE_AFTER_A_SECOND.replace("}", ", \"askGuest\": true}");

    @TempDir
    static Path folder;

    private DaemonFixture fixture;
    private byte[] screen;

    @BeforeAll
    void boot() throws Exception {
        fixture = new DaemonFixture(folder);
        VmRequest request =
                GuestVm.requestWithAgent(GuestImage.locate(), "desk", "256M").withVnc("unix:{runtime}/vnc");
        fixture.engine.create(request);
        fixture.run("start", "desk");
        try (GuestProbe probe = GuestVm.connect(fixture.home, "desk", LONG)) {
            probe.ping("boot", LONG);
            probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
        }
        configure("");
        try (var client = new RfbClient(front())) {
            screen = client.screen();
        }
        assertThat(distinct(screen)).isGreaterThan(1);
    }

    @AfterAll
    void end() throws IOException {
        fixture.close();
    }

    @BeforeEach
    void sleep() throws Exception {
        configure("");
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
        String settings = "{\"fronts\": " + fronts + more + "}";
        DaemonClient.Answer answer = fixture.send("PUT", "/v1/vms/desk/settings", settings);
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
    }

    private InetSocketAddress front() throws IOException {
        return fixture.fronts().address("desk", "vnc");
    }

    @Test
    void clientsWhoComeTogetherWakeItOnceByTheQemuThatWaitsAndSeeItsScreen() throws Exception {
        long resumes = resumes();
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
            assertThat(difference(seen, screen)).as("but for a cursor").isLessThan(0.01);
        }
        try (GuestProbe probe = GuestVm.connect(fixture.home, "desk", LONG)) {
            assertThat(probe.verify("pattern", LONG)).isEqualTo((long) PATTERN_MEBIBYTES << 20);
        }
    }

    @Test
    void itIsSuspendedWhenTheLastClientHasGoneAndItRestsUnlessTheDiskIsFull() throws Exception {
        try (var client = new RfbClient(front())) {
            client.screen();
            configure(IDLE_AFTER_A_SECOND);
            Thread.sleep(2500); // As long as somebody looks it stays awake.
            assertThat(fixture.state("desk")).isIn("running", "restoring");
            assertThat(fixture.ok(200, "GET", "/v1/vms/desk")).containsEntry("clients", 1L);
            await(() -> fixture.state("desk").equals("running"));
            configure("");
        }

        itRunsOnWhileTheDiskIsFull();
        configure(IDLE_AFTER_A_SECOND);
        await(() -> newest("suspend").contains("\"state\":\"succeeded\""));
        assertThat(fixture.state("desk")).isEqualTo("suspended");
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
    private void inGuest(String program, String file) throws IOException {
        try (var channel = SocketChannel.open(
                UnixDomainSocketAddress.of(fixture.home.sockets("desk").resolve("agent")))) {
            var agent = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
            String request = """
                    {"execute": "guest-exec", "arguments": {"path": "/bin/busybox", "arg": ["%s", "%s"]}}
                    """.formatted(program, file);
            channel.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.UTF_8)));
            assertThat(agent.readLine()).contains("\"pid\"");
        }
    }

    private void itRunsOnWhileTheDiskIsFull() throws Exception {
        String images = fixture.home.images().toString();
        var mounted = Command.tryRun(List.of("mount", "-t", "tmpfs", "-o", "size=1m", "dormouse-test", images), LONG);
        if (mounted.exitCode() != 0) {
            return; // Only root may mount a small file system.
        }
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

    /// Long, because the system lets only so many connect at once.
    @Tag("soak")
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
        Map<String, Object> page = fixture.ok(200, "GET", "/v1/operations?limit=500");
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
        Map<String, Object> page = fixture.ok(200, "GET", "/v1/operations?limit=500");
        return ((List<?>) page.get("items"))
                .stream()
                        .filter(operation -> Json.write(operation).contains("\"kind\":\"resume\""))
                        .count();
    }

    private static long distinct(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1).chars().distinct().count();
    }

    private static double difference(byte[] one, byte[] other) {
        assertThat(one).hasSameSizeAs(other);
        long different = 0;
        for (int i = 0; i < one.length; i++) {
            different += one[i] == other[i] ? 0 : 1;
        }
        return (double) different / one.length;
    }
}
