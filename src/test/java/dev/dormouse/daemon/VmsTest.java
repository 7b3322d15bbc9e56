package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.NotFoundException;
import dev.dormouse.engine.ResumeOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 20, unit = TimeUnit.SECONDS)
class VmsTest {
    @TempDir
    Path folder;

    /// The home has no VM: an operation that goes on to the engine fails with that.
    @Test
    void aClientThatComesBeforeItsVmIsSuspendedByItselfKeepsItAwake() throws Exception {
        var activity = new Activity();
        Vms vms = vms(new Operations(new Events(), _ -> {}), activity);

        Activity.Client client = activity.come("web");
        Operation kept = vms.suspendUnused("web");
        assertThat(kept.awaitEnd(Duration.ofSeconds(10))).isTrue();
        client.gone();
        Operation unused = vms.suspendUnused("web");
        assertThat(unused.awaitEnd(Duration.ofSeconds(10))).isTrue();

        assertThat(kept.view().state()).isEqualTo("cancelled");
        assertThat(kept.error().detail()).isEqualTo("vm web: has a client again, it runs on");
        assertThat(unused.view().state()).isEqualTo("failed");
    }

    /// Whoever comes after somebody has cancelled it begins another one, here with a VM that is not there, and nobody
    /// who decides about VMs waits for that.
    @Test
    void aResumeThatWasCancelledIsWaitedForWithoutKeepingOthersWaiting() throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        Vms vms = vms(operations, new Activity());
        var turn = new CountDownLatch(1);
        Operation cancelled = operations.begin(Operation.Kind.RESUME, "web", operation -> {
            awaitQuietly(turn);
            operation.begun();
            return null;
        });
        cancelled.cancel();

        var late = new FutureTask<>(() -> vms.resume("web", ResumeOptions.DEFAULT, "ada"));
        Thread thread = Thread.ofPlatform().start(late);
        while (thread.getState() != Thread.State.TIMED_WAITING) { // Until it waits for the end.
            Thread.sleep(1);
        }
        long startNanos = System.nanoTime();
        assertThatThrownBy(() -> vms.suspendUnused("web")).hasMessageStartingWith("vm web: busy, its resume is");
        assertThat(Duration.ofNanos(System.nanoTime() - startNanos)).isLessThan(Duration.ofSeconds(5));
        turn.countDown();

        assertThatThrownBy(late::get).hasCauseInstanceOf(NotFoundException.class);
        assertThat(cancelled.view().state()).isEqualTo("cancelled");
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    private Vms vms(Operations operations, Activity activity) throws IOException {
        var engine = new Engine(Home.at(folder, null));
        return new Vms(engine, operations, new Events(), activity, new DaemonOptions(null, null), _ -> Map.of());
    }
}
