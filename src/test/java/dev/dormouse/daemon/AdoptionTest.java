package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.base.Json;
import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.testkit.FaultReport;
import dev.dormouse.testkit.FreePort;
import dev.dormouse.testkit.Leftovers;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The daemon in a process of its own is killed in the middle of a restore, with clients connected. The small
/// parent that keeps it starts another one, which carries on; the guest loses nothing, and clients that come again
/// see its screen.
@Tag("qemu")
class AdoptionTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int PATTERN_MEBIBYTES = 64;
    private static final Path KEEPER = Path.of(System.getProperty("dormouse.root", "."), "scripts", "keep-daemon.sh");

    @TempDir
    Path folder;

    private Home home;
    private Process keeper;
    private boolean yielded;

    @AfterEach
    void end() throws Exception {
        if (keeper != null) {
            assertThat(keeper.isAlive() && DaemonProcess.end(home, LONG))
                    .as("there was a daemon to end")
                    .isEqualTo(!yielded);
            assertThat(keeper.waitFor(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
            assertThat(keeper.exitValue()).isEqualTo(143);
        }
        Leftovers.end(folder, Duration.ZERO);
    }

    @Test
    void aKilledDaemonIsStartedAgainAndCarriesOnWithARestore() throws Exception {
        home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        var engine = new Engine(home, QemuTools.locate(null));
        engine.create(GuestVm.request(GuestImage.locate(), "web", "256M").withVnc("unix:{runtime}/vnc"));
        startDaemon();
        var client = new DaemonClient(DaemonClient.socket(home));
        var front = new InetSocketAddress(InetAddress.getLoopbackAddress(), FreePort.any());
        assertThat(client.send("PUT", "/v1/vms/web/settings", """
                {"fronts": [{"name": "vnc", "listen": "127.0.0.1:%d", "target": "vnc"}]}""".formatted(front.getPort()))
                        .status())
                .isEqualTo(200);
        accepted(client, "start", null);
        try (GuestProbe probe = GuestVm.connect(home, "web", LONG)) {
            probe.ping("boot", LONG);
            probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
        }
        byte[] screen = look(front);
        accepted(client, "suspend", null);
        long pid = awaitDaemon(client, -1);

        // So slow that it is in its middle for certain.
        Map<String, Object> resume = accepted(client, "resume", "{\"backgroundBytesPerSecond\": 1000000}");
        assertThat(resume).containsEntry("state", "running").containsKey("guestRunsMillis");
        try (var fault = FaultReport.inject("daemon killed", "in the middle of a restore");
                var watching = client.open("GET", "/v1/events", null);
                var viewer = new RfbClient(front)) {
            assertThat(RfbClient.difference(viewer.screen(), screen)).isLessThan(0.01);
            Object qemu = vm(client).get("pid");
            assertThat(vm(client)).containsEntry("state", "restoring").containsEntry("clients", 1L);
            ProcessHandle.of(pid).orElseThrow().destroyForcibly();
            awaitEnd(watching.body());
            assertThatThrownBy(viewer::screen).as("cut with its daemon").isInstanceOf(IOException.class);
            assertThat(RfbClient.difference(look(front), screen))
                    .as("but for a cursor")
                    .isLessThan(0.01);
            awaitDaemon(client, pid);
            assertThat(vm(client)).containsEntry("pid", qemu);
            awaitRunning(client);
            whoWatchedTheRestoreIsToldWhereItGoesOn(client, String.valueOf(resume.get("id")));
            fault.verify(() -> verify(home));
        }
        aDaemonThatACommandStartedMakesRoomForOneThatAPersonStarts(pid);
    }

    private static void whoWatchedTheRestoreIsToldWhereItGoesOn(DaemonClient client, String killed) throws Exception {
        String path = "/v1/operations/" + killed;
        Map<String, Object> old = ok(client, "GET", path);
        String next = String.valueOf(old.get("continuedBy"));
        assertThat(old).containsEntry("state", "failed").containsKey("ended");
        assertThat(old.get("error"))
                .asString()
                .contains(
                        "urn:dormouse:interrupted",
                        "vm web: the daemon ended while its resume was under way; operation %s carries on with it"
                                .formatted(next));
        assertThat(ok(client, "DELETE", path)).isEqualTo(old);
        assertThat(client.send("GET", path + "/trace", null).body()).contains("has no trace any more");
        Map<String, Object> goesOn = ok(client, "GET", "/v1/operations/" + next);
        for (long end = System.nanoTime() + LONG.toNanos(); !goesOn.containsKey("ended"); Thread.sleep(20)) {
            assertThat(System.nanoTime() - end).as("%s", goesOn).isNegative();
            goesOn = ok(client, "GET", "/v1/operations/" + next);
        }
        assertThat(goesOn).containsEntry("state", "succeeded");
        assertThat(told(client, "/v1/operations?limit=2", "kind", "state"))
                .containsExactly("resume succeeded", "resume failed");
        assertThat(told(client, "/v1/operations?after=" + killed, "kind", "state"))
                .containsExactly("suspend succeeded", "start succeeded");
        assertThat(told(client, "/v1/vms/web/history", "kind", "outcome"))
                .containsExactly("resume succeeded", "resume failed", "suspend succeeded", "start succeeded");
    }

    private static Map<String, Object> ok(DaemonClient client, String method, String path) throws IOException {
        DaemonClient.Answer answer = client.send(method, path, null);
        assertThat(answer.status()).as("%s: %s", path, answer.body()).isEqualTo(200);
        return Json.parseObject(answer.body());
    }

    private static List<String> told(DaemonClient client, String path, String first, String second) throws IOException {
        return Json.parseObjects(Json.write(ok(client, "GET", path).get("items"))).stream()
                .map(item -> item.get(first) + " " + item.get(second))
                .toList();
    }

    private static Map<String, Object> vm(DaemonClient client) throws IOException {
        return Json.parseObject(client.send("GET", "/v1/vms/web", null).body());
    }

    /// {@return what a VNC client sees that comes again until it is served}
    private static byte[] look(InetSocketAddress front) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (true) {
            try (var viewer = new RfbClient(front)) {
                return viewer.screen();
            } catch (SocketException | EOFException e) { // The old daemon goes, the new one has not come.
                assertThat(System.nanoTime() - end).as("%s", e).isNegative();
            }
            Thread.sleep(20);
        }
    }

    private void aDaemonThatACommandStartedMakesRoomForOneThatAPersonStarts(long killed) throws Exception {
        var client = new DaemonClient(DaemonClient.socket(home));
        assertThatThrownBy(() -> Daemon.start(home, options(true))).hasMessageContaining("has a daemon already");

        try (Daemon _ = Daemon.start(home, options(false))) {
            yielded = true;
            assertThat(awaitDaemon(client, killed))
                    .isEqualTo(ProcessHandle.current().pid());
            assertThat(client.send("GET", "/v1/vms/web", null).body()).contains("\"state\":\"running\"");
            assertThatThrownBy(() -> Daemon.start(home, options(false)))
                    .hasMessageContaining("has a daemon already, process "
                            + ProcessHandle.current().pid());
        }
    }

    private static DaemonOptions options(boolean yields) {
        return new DaemonOptions(null, null, null, DaemonOptions.REQUESTS_PER_SECOND, 0, 0, 0, false, yields);
    }

    /// The stream of a watcher breaks off with its daemon.
    private static void awaitEnd(InputStream events) throws IOException {
        try {
            events.transferTo(OutputStream.nullOutputStream());
        } catch (EOFException _) {
            // In the middle of an answer that has no end.
        }
    }

    private static long verify(Home home) throws Exception {
        try (GuestProbe probe = GuestVm.connect(home, "web", LONG)) {
            long bytes = probe.verify("pattern", LONG);
            assertThat(bytes).isEqualTo((long) PATTERN_MEBIBYTES << 20);
            return bytes;
        }
    }

    private void startDaemon() throws IOException {
        var command = new ArrayList<>(List.of("bash", KEEPER.toString()));
        command.addAll(ProgramInTest.command("serve", "--yield"));
        keeper = DaemonProcess.start(home, command, ProgramInTest.environment(folder));
    }

    private Path log() {
        return DaemonProcess.log(home);
    }

    /// {@return the process of a daemon that is not the given one, once it answers}
    private long awaitDaemon(DaemonClient client, long notPid) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (true) {
            try {
                DaemonClient.Answer answer = client.send("GET", "/v1/host", null);
                long pid = ((Number) Json.parseObject(answer.body()).get("pid")).longValue();
                if (pid != notPid) {
                    return pid;
                }
            } catch (IOException e) {
                assertThat(System.nanoTime() - end)
                        .as("%s: %s", e, Files.readString(log()))
                        .isNegative();
            }
            Thread.sleep(20);
        }
    }

    private Map<String, Object> accepted(DaemonClient client, String action, String body) throws IOException {
        DaemonClient.Answer answer = client.send("POST", "/v1/vms/web/" + action + "?wait=60", body);
        assertThat(answer.status())
                .as("%s: %s", answer.body(), Files.readString(log()))
                .isEqualTo(202);
        return Json.parseObject(answer.body());
    }

    private void awaitRunning(DaemonClient client) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        String vm = client.send("GET", "/v1/vms/web", null).body();
        while (!vm.contains("\"state\":\"running\"")) {
            assertThat(System.nanoTime() - end)
                    .as("%s: %s", vm, Files.readString(log()))
                    .isNegative();
            Thread.sleep(20);
            vm = client.send("GET", "/v1/vms/web", null).body();
        }
    }
}
