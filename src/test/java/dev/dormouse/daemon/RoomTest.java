package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.VmRequest;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// More VMs than the host is to have awake at once.
@Tag("qemu")
class RoomTest {
    @TempDir
    Path folder;

    @Test
    void theOneIsSuspendedThatNobodyUsesAndNeverAPinnedOne() throws Exception {
        try (var fixture = new DaemonFixture(folder, new DaemonOptions(null, null, 150 << 20, 0))) {
            for (String name : List.of("a", "b", "c")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M"));
            }
            fixture.send("PUT", "/v1/vms/a/settings", "{\"pinned\": true}");
            fixture.run("start", "a");
            fixture.run("start", "b");

            fixture.engine.create(VmRequest.named("large").withMemory("100M"));
            assertThat(fixture.send("POST", "/v1/vms/large/start?wait=60", null).status())
                    .isEqualTo(409);
            assertThat(fixture.state("b")).as("not in vain").isEqualTo("running");

            fixture.engine.create(VmRequest.named("huge").withMemory("151M"));
            DaemonClient.Answer tooLarge = fixture.send("POST", "/v1/vms/huge/start?wait=60", null);
            assertThat(Json.parseObject(tooLarge.body()).get("detail"))
                    .isEqualTo("vm huge: no room: it needs 151 MiB, which is more than the memory limit of 150 MiB; "
                            + "raise --memory-limit");

            fixture.run("start", "c");

            assertThat(fixture.state("a")).isEqualTo("running");
            assertThat(fixture.state("b")).isEqualTo("suspended");
            fixture.run("resume", "b");
            assertThat(fixture.state("c")).isEqualTo("suspended");

            fixture.send("PUT", "/v1/vms/b/settings", "{\"pinned\": true}");
            DaemonClient.Answer answer = fixture.send("POST", "/v1/vms/c/resume?wait=60", null);
            assertThat(answer.status()).isEqualTo(409);
            assertThat(Json.parseObject(answer.body()).get("detail"))
                    .isEqualTo("vm c: no room: it needs 64.0 MiB, and of the 150 MiB of the memory limit 128 MiB "
                            + "belong to VMs, too many of which are pinned, have clients, work, have just woken, are busy; suspend one of them or raise "
                            + "--memory-limit");
            assertThat(fixture.state("c")).isEqualTo("suspended");
        }
    }

    @Test
    void whoHadAClientLaterStaysAlsoAfterTheDaemonWasStartedAgain() throws Exception {
        try (var fixture = new DaemonFixture(folder, new DaemonOptions(null, null, 150 << 20, 0));
                var service = ServerSocketChannel.open()) {
            for (String name : List.of("a", "b", "c")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M"));
            }
            fixture.run("start", "a");
            fixture.run("start", "b");
            service.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            fixture.send("PUT", "/v1/vms/a/settings", """
                    {"fronts": [{"name": "any", "listen": "127.0.0.1:0", "target": "127.0.0.1:%d"}]}""".formatted(
                            ((InetSocketAddress) service.getLocalAddress()).getPort()));
            try (var client = SocketChannel.open(fixture.fronts().address("a", "any"));
                    var end = service.accept()) {
                assertThat(client.isConnected() && end.isConnected()).isTrue();
            }
            awaitVisit(fixture);

            fixture.restart();
            fixture.run("start", "c");

            assertThat(fixture.state("a")).as("awake for longer, used later").isEqualTo("running");
            assertThat(fixture.state("b")).isEqualTo("suspended");
        }
    }

    @Test
    void whoHasToStayAwakeForAWhileYetStaysAndIsWaitedForIfThatIsSoon() throws Exception {
        try (var fixture = new DaemonFixture(folder, new DaemonOptions(null, null, 150 << 20, 0))) {
            for (String name : List.of("a", "b", "c")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M"));
            }
            fixture.run("start", "a");
            fixture.run("start", "b");
            stayAwake(fixture, "a", 3600);

            fixture.run("start", "c");

            assertThat(fixture.state("a")).as("used less recently").isEqualTo("running");
            assertThat(fixture.state("b")).isEqualTo("suspended");

            stayAwake(fixture, "c", 3600);
            DaemonClient.Answer answer = fixture.send("POST", "/v1/vms/b/resume?wait=60", null);
            assertThat(answer.status()).isEqualTo(409);
            assertThat(answer.body()).contains("too many of which are pinned, have clients, work, have just woken");
            assertThat(fixture.state("a")).isEqualTo("running");
            assertThat(fixture.state("c")).isEqualTo("running");

            stayAwake(fixture, "c", secondsAwake(fixture, "c") + 5);
            fixture.run("resume", "b");
            assertThat(fixture.state("c")).isEqualTo("suspended");
            assertThat(fixture.state("a")).isEqualTo("running");
        }
    }

    private static void stayAwake(DaemonFixture fixture, String vm, long seconds) throws IOException {
        String settings =
                "{\"idle\": {\"afterSeconds\": 3600, \"cpuPercent\": 10, \"awakeSeconds\": %d}}".formatted(seconds);
        assertThat(fixture.send("PUT", "/v1/vms/" + vm + "/settings", settings).status())
                .isEqualTo(200);
    }

    private static long secondsAwake(DaemonFixture fixture, String vm) throws IOException {
        return Duration.between(Instant.parse(fixture.engine.status(vm).since()), Instant.now())
                .toSeconds();
    }

    private static void awaitVisit(DaemonFixture fixture) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (!fixture.send("GET", "/v1/vms/a/clients", null).body().contains("\"front\":\"any\"")) {
            assertThat(System.nanoTime() - end).isNegative();
            Thread.sleep(20);
        }
    }

    @Test
    void nobodyIsSuspendedForAVmThatAnotherOneKeepsAsleepByItsVeto() throws Exception {
        try (var fixture = new DaemonFixture(folder, new DaemonOptions(null, null, 150 << 20, 0))) {
            for (String name : List.of("a", "b")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M").withGuestAgent(true));
                fixture.run("start", name);
            }
            fixture.engine.create(VmRequest.named("large").withMemory("128M"));
            // Nobody answers that could say that it may be suspended.
            String settings =
                    "{\"idle\": {\"afterSeconds\": 600, \"cpuPercent\": 10, \"awakeSeconds\": 0, \"askGuest\": true}}";
            assertThat(fixture.send("PUT", "/v1/vms/b/settings", settings).status())
                    .isEqualTo(200);

            DaemonClient.Answer answer = fixture.send("POST", "/v1/vms/large/start?wait=60", null);

            assertThat(answer.status()).isEqualTo(409);
            assertThat(answer.body()).contains("or could not be suspended (b)");
            assertThat(fixture.state("a")).isEqualTo("running");
            assertThat(fixture.state("b")).isEqualTo("running");
        }
    }

    @Test
    void whoCannotBeSuspendedIsPassedOverAndNobodyWaitsForWhoWaits() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            for (String name : List.of("a", "b", "c")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M"));
            }
            fixture.run("start", "a");
            fixture.run("start", "b");
            var operations = new Operations(new Events(), _ -> {});
            var asked = new ArrayList<String>();
            var waits = new CountDownLatch(1);
            var suspending = new CountDownLatch(1);
            Room.Suspension suspension = vm -> operations.begin(Operation.Kind.SUSPEND, vm, operation -> {
                asked.add(vm);
                if (asked.size() == 1) {
                    throw new IOException("vm %s: no".formatted(vm));
                }
                suspending.countDown();
                await(waits);
                return fixture.engine.suspend(vm, OperationListener.NONE, new Cancellation());
            });
            var room = new Room(150 << 20, fixture.engine, operations, new Activity(), _ -> Map.of(), suspension);
            Operation waiting = new Operation("op", Operation.Kind.START, "c", new Events(), _ -> {});

            var reserved = CompletableFuture.runAsync(() -> reserve(room, waiting));
            assertThat(suspending.await(20, TimeUnit.SECONDS)).isTrue();
            Thread release = Thread.startVirtualThread(() -> room.release("d"));
            assertThat(release.join(Duration.ofSeconds(5))).isTrue();
            waits.countDown();
            reserved.get(60, TimeUnit.SECONDS);

            assertThat(asked).hasSize(2).doesNotHaveDuplicates();
        }
    }

    private static void reserve(Room room, Operation waiting) {
        try {
            room.reserve("c", waiting);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
