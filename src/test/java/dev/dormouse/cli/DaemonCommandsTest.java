package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.bench.GuestImage;
import dev.dormouse.daemon.Daemon;
import dev.dormouse.daemon.DaemonClient;
import dev.dormouse.daemon.DaemonOptions;
import dev.dormouse.engine.Home;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The commands of a home that has a daemon: it does the work, and they say what they always say.
@Tag("qemu")
class DaemonCommandsTest extends CommandsFixture {
    private Daemon daemon;

    @BeforeEach
    void startDaemon() throws IOException {
        daemon = Daemon.start(Home.fromEnvironment(CliRun.environment(folder)), new DaemonOptions(null, null));
    }

    @AfterEach
    void endDaemon() {
        daemon.close();
    }

    @Test
    void theDaemonDoesWhatTheCommandsSay() throws Exception {
        create("web");
        assertThat(facts("start", "--json", "web")).containsEntry("state", "running");
        assertThat(facts("suspend", "--json", "web")).containsEntry("vm", "web").containsKey("imageBytes");
        Map<String, Object> resumed = facts("resume", "--wait", "--json", "web");

        assertThat(resumed)
                .containsEntry("state", "running")
                .containsKeys("commandMillis", "runningMillis", "completeMillis", "pagesOnDemand", "report");
        assertThat(folder.resolve("home/vms/web/server.log"))
                .as("log of a process that serves the pages")
                .doesNotExist();
        assertThat(ok("top"))
                .startsWith("1 VMs, 1 awake with 64.0 MiB;")
                .containsPattern("\\nweb +running +64\\.0 MiB ")
                .contains("TTR", "DEMAND P99");
        assertThat(ok("show", "web"))
                .containsPattern("last restore +responsive after about [0-9.]+ m?s; pages on demand");
        assertThat(facts("top", "--json")).containsOnlyKeys("host", "vms");
        assertThat(facts("checkpoint", "--json", "web")).containsKey("image");
    }

    @Test
    void aResumeThatHasNotBegunIsCalledOffWithTheLastCommandThatWaitsForIt() throws Exception {
        daemon.close();
        daemon = Daemon.start(Home.fromEnvironment(CliRun.environment(folder)), new DaemonOptions(null, null, 0, 1));
        createWithKernel("a"); // What has a firmware only may ask for all of its pages, and be complete.
        create("b");
        for (String name : List.of("a", "b")) {
            ok("start", name);
        }
        awaitKernel("a");
        for (String name : List.of("a", "b")) {
            ok("suspend", name);
        }
        ok("resume", "--background-rate=off", "a"); // Never comes to its end by itself.
        Process first = process("resume", "b");
        await("b waits for its turn", () -> operations("b").contains("\"position\":1"));
        Path log = Files.move(folder.resolve("process.log"), folder.resolve("first.log"));
        Process second = process("resume", "b");
        await(
                "both wait for it",
                () -> Files.readString(folder.resolve("home/audit.log")).matches("(?s).*(/v1/vms/b/resume.*){2}"));

        interrupt(first);
        assertThat(log)
                .content()
                .endsWith("vm b: the restore goes on in the background, " + "'dormouse show b' tells how far it is\n");
        assertThat(operations("b")).contains("\"queued\"").doesNotContain("\"cancelled\"");
        interrupt(second);

        assertThat(processErrors())
                .endsWith("dormouse: vm b: cancelled, its restore had not begun; it is suspended as before\n");
        await("it is called off", () -> operations("b").contains("\"cancelled\""));
        assertThat(facts("show", "--json", "b")).containsEntry("state", "suspended");
    }

    private static void interrupt(Process process) throws Exception {
        new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void whatFailsFailsInTheSameWords() throws Exception {
        create("web");
        fails(1, "vm web: not suspended, only a suspended VM can be resumed", "resume", "web");
        fails(1, "vm web: not running, only a running VM can be suspended", "suspend", "web");
        fails(1, "vm nemo: no such VM, 'dormouse list' shows those there are", "suspend", "nemo");
        facts("start", "--json", "web");
        fails(1, "vm web: is already running", "start", "web");
        fails(1, "vm web: not suspended, only a suspended VM can be resumed", "resume", "web");
        facts("suspend", "--json", "web");
        Files.write(
                folder.resolve("home/images/"
                        + Json.parseObject(ok("show", "--json", "web")).get("image") + ".dormouse"),
                new byte[100_000]);
        fails(3, folder.resolve("home/images").toString(), "resume", "web");
    }

    /// By a daemon in a process of its own, for it is the background of all restores of a process that is limited: to
    /// so little here that one restore would take hours. The other is to end, and ends.
    @Test
    void restoresKeepToTheRateOfTheDaemonUnlessTheyAreToEnd() throws Exception {
        for (String name : List.of("limited", "hurried")) {
            createWithKernel(name);
        }
        daemon.close();
        process("serve", "--restores-rate=4K");
        var client = new DaemonClient(DaemonClient.socket(Home.fromEnvironment(CliRun.environment(folder))));
        await("the daemon answers", () -> answers(client));
        for (String name : List.of("limited", "hurried")) {
            facts("start", "--json", name);
            awaitKernel(name);
            facts("suspend", "--json", name);
            facts("resume", "--json", name); // Until the guest runs.
        }

        facts("suspend", "--json", "hurried"); // Which completes the restore first.

        assertThat(facts("show", "--json", "limited")).containsEntry("state", "restoring");
        facts("suspend", "--json", "limited");
    }

    private void createWithKernel(String name) throws Exception {
        GuestImage guest = GuestImage.locate();
        String[] kernel = {"--kernel=" + guest.kernel(), "--initrd=" + guest.initrd(), "--append=" + guest.append()};
        ok("vm", "create", name, "--memory=256M", "--accel=tcg", kernel[0], kernel[1], kernel[2]);
    }

    private void awaitKernel(String name) throws Exception {
        Path console = folder.resolve("home/vms/%s/serial.log".formatted(name));
        await("the kernel speaks", () -> Files.exists(console) && Files.size(console) > 0);
    }

    private static boolean answers(DaemonClient client) {
        try {
            return client.send("GET", "/v1/host", null).status() == 200;
        } catch (IOException _) {
            return false;
        }
    }

    @Test
    void theDaemonStopsAVmAndRemembersIt() throws Exception {
        create("web");
        ok("start", "web");
        fails(
                1,
                "vm web: the guest did not shut down within 1 s, 'dormouse stop --force web' ends it at once",
                "stop",
                "--timeout=1",
                "web");

        assertThat(facts("stop", "--force", "--json", "web"))
                .containsEntry("name", "web")
                .containsEntry("state", "stopped");

        assertThat(operations())
                .containsPattern("\"kind\":\"stop\"[^}]*\"state\":\"succeeded\"")
                .containsPattern("\"kind\":\"stop\"[^}]*\"state\":\"failed\"");
        await(
                "the history has it",
                () -> client().send("GET", "/v1/vms/web/history", null).body().contains("\"kind\":\"stop\""));
        fails(1, "vm web: not running, there is nothing to stop", "stop", "web");
        ok("start", "web");
        assertThat(ok("stop", "--force", "web")).isEqualTo("vm web: stopped\n");
    }

    @Test
    void ctrlCEndsTheWaitingForAGuestThatWasAskedToShutDown() throws Exception {
        create("web");
        ok("start", "web");
        Process stop = stopThatWaits("web");

        new ProcessBuilder("kill", "-INT", Long.toString(stop.pid())).start().waitFor();

        assertThat(stop.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(stop.exitValue()).isEqualTo(130);
        assertThat(processErrors())
                .isEqualTo("dormouse: vm web: cancelled, the guest was asked to shut down and may still do so; "
                        + "'dormouse show web' says whether it runs\n");
        assertThat(facts("show", "--json", "web")).containsEntry("state", "running");
        assertThat(operations()).containsPattern("\"kind\":\"stop\"[^}]*\"state\":\"cancelled\"");
    }

    @Test
    void whoForcesAStopIsNotKeptByOneThatWaitsForTheGuest() throws Exception {
        create("web");
        ok("start", "web");
        Process gentle = stopThatWaits("web");

        assertThat(ok("stop", "--force", "web")).isEqualTo("vm web: stopped\n");

        assertThat(gentle.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(gentle.exitValue()).isZero();
        assertThat(processErrors()).isEmpty();
    }

    /// Its firmware does not react, so it would wait for a minute.
    private Process stopThatWaits(String vm) throws Exception {
        Process stop = process("stop", vm);
        await("the stop is under way", () -> operations().matches(".*\"kind\":\"stop\"[^}]*\"state\":\"running\".*"));
        return stop;
    }

    private DaemonClient client() throws IOException {
        return new DaemonClient(DaemonClient.socket(Home.fromEnvironment(CliRun.environment(folder))));
    }

    private String operations() throws IOException {
        return operations("web");
    }

    private String operations(String vm) throws IOException {
        return client().send("GET", "/v1/operations?vm=" + vm, null).body();
    }

    @Test
    void aSocketThatADaemonLeftStopsNobody() throws Exception {
        create("web");
        var socket = DaemonClient.socket(Home.fromEnvironment(CliRun.environment(folder)));
        daemon.close();
        try (var left = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            left.bind(UnixDomainSocketAddress.of(socket));
        }

        assertThat(facts("start", "--json", "web")).containsEntry("state", "running");
        assertThat(ok("stop", "--force", "web")).isEqualTo("vm web: stopped\n");
    }

    /// One of an earlier version runs on until it is started again.
    @Test
    void aDaemonThatKnowsNoWaitersIsAskedWithoutOne() throws Exception {
        create("web");
        var socket = DaemonClient.socket(Home.fromEnvironment(CliRun.environment(folder)));
        daemon.close();
        var asked = new LinkedBlockingQueue<String>();
        try (var earlier = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            earlier.bind(UnixDomainSocketAddress.of(socket));
            Thread.ofVirtual().start(() -> answerAsEarlier(earlier, asked));

            assertThat(facts("resume", "--json", "web")).containsEntry("runningMillis", 5L);
        }
        Files.deleteIfExists(socket);

        assertThat(asked).element(0).asString().startsWith("POST /v1/vms/web/resume?wait=1&waiter=");
        assertThat(asked).element(1).asString().startsWith("POST /v1/vms/web/resume?wait=1 HTTP/1.1");
    }

    private static void answerAsEarlier(ServerSocketChannel server, Queue<String> asked) {
        String refusal =
                "{\"type\":\"urn:dormouse:invalid\",\"title\":\"T\",\"status\":400,\"detail\":\"query: 'waiter'\"}";
        String resumed =
                "{\"id\":\"x-1\",\"kind\":\"resume\",\"vm\":\"web\",\"state\":\"running\",\"guestRunsMillis\":5}";
        while (true) {
            try (SocketChannel client = server.accept()) {
                var request = ByteBuffer.allocate(64 << 10); // It comes in one piece.
                if (client.read(request) <= 0) {
                    continue; // Only looked whether somebody is there.
                }
                String text = new String(request.array(), 0, request.position(), StandardCharsets.UTF_8);
                asked.add(text);
                String answer = text.contains("waiter")
                        ? "HTTP/1.1 400 Bad Request\r\n\r\n" + refusal
                        : "HTTP/1.1 202 Accepted\r\n\r\n" + resumed;
                client.write(ByteBuffer.wrap(answer.getBytes(StandardCharsets.UTF_8)));
            } catch (IOException _) {
                return; // The test is over.
            }
        }
    }
}
