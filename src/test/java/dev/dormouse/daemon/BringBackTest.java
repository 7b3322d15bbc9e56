package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.VmRequest;
import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The host ends and is back.
@Tag("qemu")
class BringBackTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final int PATTERN_MEBIBYTES = 64;

    @TempDir
    Path folder;

    @Test
    void whatIsBeingPutAwayOrWokenWhenTheHostEndsIsAsleepThen() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            for (String name : List.of("away", "saved", "woken")) {
                fixture.engine.create(VmRequest.named(name).withMemory("128M"));
                fixture.run("start", name);
            }
            fixture.run("suspend", "woken");
            for (var request : List.of("away/suspend", "saved/checkpoint", "woken/resume")) {
                assertThat(fixture.send("POST", "/v1/vms/" + request, null).status())
                        .isEqualTo(202);
            }

            fixture.endWithTheHost();

            for (String name : List.of("away", "saved", "woken")) {
                assertThat(fixture.engine.status(name).state()).as(name).isEqualTo("suspended");
            }
            assertThat(Files.readString(file())).isEqualTo("{\"vms\":[\"saved\",\"woken\"]}\n");
            fixture.startAgain();
        }
    }

    @Test
    void whatWasAwakeIsSuspendedBeforeTheHostEndsAndResumedWhenItIsBack() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            for (String name : List.of("awake", "asleep", "off")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M"));
            }
            fixture.run("start", "awake");
            fixture.run("start", "asleep");
            fixture.run("suspend", "asleep");

            fixture.endWithTheHost();
            assertThat(fixture.engine.status("awake").state()).isEqualTo("suspended");
            assertThat(Files.readString(file())).isEqualTo("{\"vms\":[\"awake\"]}\n");
            fixture.startAgain();

            await(() -> fixture.state("awake").equals("running") && !Files.exists(file()));
            assertThat(fixture.state("asleep")).isEqualTo("suspended");
        }
    }

    @Test
    void aGuestThatWaitsForPagesThatNobodyServesIsSuspendedBeforeTheHostEnds() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            fixture.engine.create(GuestVm.request(GuestImage.locate(), "web", "256M"));
            fixture.run("start", "web");
            try (GuestProbe probe = GuestVm.connect(fixture.home, "web", LONG)) {
                probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
            }
            fixture.run("suspend", "web");

            try (var fault = FaultReport.inject("page server and its parent killed", "just before the host ends")) {
                fixture.orphan("web");
                await(() -> fixture.engine.status("web").state().equals("orphaned"));
                fixture.endWithTheHost();

                assertThat(fixture.engine.status("web").state()).isEqualTo("suspended");
                assertThat(Files.readString(file())).isEqualTo("{\"vms\":[\"web\"]}\n");
                fixture.startAgain();
                await(() -> fixture.state("web").equals("running"));
                fault.verify(() -> verify(fixture));
            }
        }
    }

    private static long verify(DaemonFixture fixture) throws Exception {
        try (GuestProbe probe = GuestVm.connect(fixture.home, "web", LONG)) {
            long bytes = probe.verify("pattern", LONG);
            assertThat(bytes).isEqualTo((long) PATTERN_MEBIBYTES << 20);
            return bytes;
        }
    }

    @Test
    void whatComesBetweenIsWaitedForAndWhoIsBackIsNamedNoMore() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            for (String name : List.of("first", "web")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M"));
                fixture.run("start", name);
            }
            fixture.run("suspend", "first");

            othersBeginSomethingAgainAndAgain(fixture);
            assertThat(fixture.engine.status("web").state()).isEqualTo("suspended");

            oneIsBackWhileAnEarlierOneWaits(fixture);
        }
    }

    /// A start is under way when the host ends, then a stop begins, and then a suspend that somebody calls off.
    private void othersBeginSomethingAgainAndAgain(DaemonFixture fixture) throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        var bringBack = bringBack(fixture, operations);
        var begun = new CountDownLatch(1);
        operations.begin(Operation.Kind.START, "web", _ -> awaitQuietly(begun));
        var ending = CompletableFuture.runAsync(() -> suspendAll(bringBack));
        await(() -> Files.exists(file())); // Written before it waits for the first one.

        begun.countDown();
        beginAtOnce(operations, Operation.Kind.STOP, _ -> {
            sleep();
            return null;
        });
        beginAtOnce(operations, Operation.Kind.SUSPEND, operation -> {
            sleep();
            operation.cancel();
            throw new ApiException(Problem.Kind.CONFLICT, "vm web: cancelled");
        });

        ending.get(LONG.toSeconds(), TimeUnit.SECONDS);
    }

    private void oneIsBackWhileAnEarlierOneWaits(DaemonFixture fixture) throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        var turn = new CountDownLatch(1);
        Files.writeString(file(), "{\"vms\":[\"first\",\"web\"]}\n");
        operations.begin(Operation.Kind.RESUME, "first", _ -> awaitQuietly(turn));

        bringBack(fixture, operations).resumeAll();

        await(() -> Files.readString(file()).equals("{\"vms\":[\"first\"]}\n"));
        turn.countDown();
        await(() -> !Files.exists(file()));
        await(() -> fixture.state("web").equals("running"));
    }

    private static BringBack bringBack(DaemonFixture fixture, Operations operations) {
        var vms = new Vms(
                fixture.engine, operations, new Events(), new Activity(), new DaemonOptions(null, null), _ -> Map.of());
        return new BringBack(fixture.engine, operations, vms);
    }

    private static void suspendAll(BringBack bringBack) {
        try {
            bringBack.suspendAll(LONG);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /// As soon as nothing else is under way, before who waits for that has looked at the VM.
    private static void beginAtOnce(Operations operations, Operation.Kind kind, Operations.Work work)
            throws IOException {
        while (true) {
            try {
                operations.begin(kind, "web", work);
                return;
            } catch (ApiException e) {
                assertThat(e.kind()).isEqualTo(Problem.Kind.BUSY);
            }
        }
    }

    private static @Nullable Object awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
            return null;
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /// Until it is met by who suspends all.
    private static void sleep() {
        try {
            Thread.sleep(500);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private Path file() {
        return folder.resolve("home/bring-back.json");
    }

    private static void await(Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (!condition.call()) {
            assertThat(System.nanoTime() - end).isNegative();
            Thread.sleep(20);
        }
    }
}
