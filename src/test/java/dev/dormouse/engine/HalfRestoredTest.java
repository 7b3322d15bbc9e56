package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.restore.RestoreStep;
import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A VM that is suspended while it is still being restored: everything is placed first, then captured, so
/// that no image is smaller than the guest is.
@Tag("qemu")
class HalfRestoredTest {
    @TempDir
    Path folder;

    /// The background of each restore is so slow that only the haste that a suspend asks for lets it end.
    @Test
    void isSuspendedAgainAndAgainWithAllOfItsMemory() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            long nonZero = fixture.suspend("vm1").nonZeroBytes();
            for (String moment : List.of("0%", "50%", "PLACED", "50%", "0%")) {
                try (var fault = FaultReport.inject("suspend while restoring", moment)) {
                    SuspendResult suspended = suspendAt(fixture, moment);

                    assertThat(suspended.nonZeroBytes()).isGreaterThan(nonZero * 9 / 10);
                    fault.verify(suspended::nonZeroBytes);
                }
            }
            try (var fault = FaultReport.inject("suspend while restoring", "five generations in a row")) {
                fixture.resume("vm1");
                fault.verify(() -> verify(fixture));
            }
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");
            assertThat(fixture.home.imageIds()).isEmpty();
        }
    }

    @Test
    void isSuspendedWhileItsOverlayIsMerged() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            CheckpointTest.bootWithPattern(fixture);
            fixture.suspend("vm1");
            try (var fault = FaultReport.inject("suspend while restoring", "DROPPED")) {
                suspendAt(fixture, "DROPPED");
                assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");

                fixture.resume("vm1");
                fault.verify(() -> verify(fixture));
            }
        }
    }

    private static long verify(EngineFixture fixture) throws Exception {
        CheckpointTest.verify(fixture, "vm1");
        return 48 << 20;
    }

    /// Lets the restore come as far as the moment, and go on only when the suspend waits for it.
    private static SuspendResult suspendAt(EngineFixture fixture, String moment) throws Exception {
        var there = new CountDownLatch(1);
        var waiting = new CountDownLatch(1);
        CompletableFuture<Void> resume = CompletableFuture.runAsync(() -> {
            try {
                fixture.engine.resume("vm1", optionsFor(moment), new Pause(moment, there, waiting));
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        assertThat(there.await(2, TimeUnit.MINUTES)).isTrue();
        SuspendResult result = fixture.engine.suspend(
                "vm1",
                new OperationListener() {
                    @Override
                    public void step(String what) {
                        if (what.equals("waiting until the VM is restored")) {
                            waiting.countDown();
                        }
                    }
                },
                new Cancellation());
        resume.get(2, TimeUnit.MINUTES);
        return result;
    }

    /// Nobody could wait for half of the pages at the slow rate.
    private static ResumeOptions optionsFor(String moment) {
        return moment.equals("0%") ? ChildEngine.slow() : ResumeOptions.DEFAULT;
    }

    /// Holds a restore up at a moment, once.
    private record Pause(String moment, CountDownLatch there, CountDownLatch waiting) implements OperationListener {
        @Override
        public void reached(RestoreStep step) {
            if (step.name().equals(moment)) {
                hold();
            }
        }

        @Override
        public void placed(long pages, long ofPages) {
            if (moment.endsWith("%")
                    && pages * 100 >= ofPages * Integer.parseInt(moment.substring(0, moment.length() - 1))) {
                hold();
            }
        }

        private void hold() {
            there.countDown();
            try {
                assertThat(waiting.await(2, TimeUnit.MINUTES)).isTrue();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }
}
