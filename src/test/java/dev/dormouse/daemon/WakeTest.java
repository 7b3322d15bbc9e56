package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 20, unit = TimeUnit.SECONDS)
class WakeTest {
    @TempDir
    Path folder;

    /// A VNC client that reached QEMU earlier would have it read memory that is not there yet.
    @Test
    void aClientWaitsForTheGuestToRunAlsoWhileItsRestoreIsStalled() throws Exception {
        var events = new Events();
        var operations = new Operations(events, _ -> {});
        var options = new DaemonOptions(null, null);
        var vms =
                new Vms(new Engine(Home.at(folder, null)), operations, events, new Activity(), options, _ -> Map.of());
        var served = new CountDownLatch(1);
        var over = new CountDownLatch(1);
        operations.begin(Operation.Kind.RESUME, "web", operation -> {
            operation.begun();
            operation.stalled("image web-1: does not answer");
            awaitQuietly(served);
            operation.unstalled();
            operation.running();
            awaitQuietly(over);
            return null;
        });

        CompletableFuture<Boolean> awake = CompletableFuture.supplyAsync(() -> isAwake(new Wake(vms, operations)));
        boolean early = true;
        try {
            awake.get(300, TimeUnit.MILLISECONDS);
        } catch (TimeoutException _) {
            early = false;
        }
        served.countDown();

        assertThat(early).isFalse();
        assertThat(awake.get()).isTrue();
        over.countDown();
    }

    @Test
    void aWakeThatWaitsForItsTurnIsCalledOffWhenTheLastOneHasLeft() throws Exception {
        var events = new Events();
        var operations = new Operations(events, _ -> {});
        var vms = new Vms(
                new Engine(Home.at(folder, null)),
                operations,
                events,
                new Activity(),
                new DaemonOptions(null, null),
                _ -> Map.of());
        var wake = new Wake(vms, operations);
        var turn = new CountDownLatch(1);
        Operation resume = operations.begin(Operation.Kind.RESUME, "web", operation -> {
            awaitQuietly(turn);
            operation.begun();
            return null;
        });
        List<Thread> clients = List.of(client(wake), client(wake));

        leave(clients.getFirst());
        assertThat(resume.isAbandoned()).isFalse();
        leave(clients.getLast());
        assertThat(resume.isAbandoned()).isTrue();
        turn.countDown();

        assertThat(resume.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(resume.view().state()).isEqualTo("cancelled");
    }

    /// {@return one that waits for the VM}
    private static Thread client(Wake wake) throws InterruptedException {
        Thread client = Thread.ofPlatform().start(() -> {
            try {
                wake.await("web");
            } catch (Exception _) {
                // It has left.
            }
        });
        while (client.getState() != Thread.State.TIMED_WAITING) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
        return client;
    }

    private static void leave(Thread client) throws InterruptedException {
        client.interrupt();
        client.join();
    }

    private static boolean isAwake(Wake wake) {
        try {
            wake.await("web");
            return true;
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
