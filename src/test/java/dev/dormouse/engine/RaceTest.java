package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Two operations on one VM at the same moment: each ends well or is told in one line why not, and the VM is
/// whole afterwards.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class RaceTest {
    private static final Duration LONG = EngineFixture.LONG;

    /// What the loser may be told: who is at work, or that the winner has been.
    private static final String TOLD = "vm vm1: (busy, '(resume|suspend|checkpoint|stop|start|rm|image import)' of "
            + "process \\d+ is running; wait for it to end|busy, another operation is running; wait for it to end"
            + "|not suspended, only a suspended VM can be resumed|not running, only a running VM can be .*"
            + "|not running, there is nothing to stop|is already running|is suspended, .*|is running, stop it first"
            + "|is (suspending|checkpointing|restoring), .*)";

    @TempDir
    static Path folder;

    private EngineFixture fixture;

    @BeforeAll
    void boot() throws Exception {
        fixture = new EngineFixture(folder);
        CheckpointTest.bootWithPattern(fixture);
    }

    @AfterAll
    void end() throws IOException {
        fixture.close();
    }

    /// @param winners how many of the two may end well; a suspend and a resume may do so one after the other
    @ParameterizedTest(name = "{1} and {2} of a VM that is {0}")
    @CsvSource({
        "suspended, resume, resume, 1",
        "suspended, resume, start, 1",
        "suspended, resume, rm, 1",
        "suspended, resume, suspend, 2",
        "running, suspend, suspend, 1",
        "running, suspend, checkpoint, 2",
        "running, suspend, rm, 1",
        "running, suspend, resume, 2",
        "running, checkpoint, start, 1",
    })
    void oneWinsAndTheOtherIsTold(String state, String first, String second, int winners) throws Exception {
        bringInto(state);
        try (var fault = FaultReport.inject("race", state + ", " + first + " and " + second)) {
            var barrier = new CyclicBarrier(2);
            CompletableFuture<String> one = inThread(() -> run(first, barrier));
            CompletableFuture<String> two = inThread(() -> run(second, barrier));
            List<String> ends = List.of(one.get(3, TimeUnit.MINUTES), two.get(3, TimeUnit.MINUTES));

            assertThat(ends).filteredOn(String::isEmpty).hasSizeBetween(1, winners);
            assertThat(ends).filteredOn(end -> !end.isEmpty()).allMatch(end -> end.matches(TOLD));
            bringInto("running");
            fault.verify(() -> {
                CheckpointTest.verify(fixture, "vm1");
                return 48 << 20;
            });
        }
    }

    @Test
    void oneOfTwoMakesTheVm() throws Exception {
        String image = fixture.checkpoint("vm1").image();
        try (var fault = FaultReport.inject("race", "two restore --as")) {
            var barrier = new CyclicBarrier(2);
            Callable<@Nullable Void> clone = () -> {
                barrier.await(1, TimeUnit.MINUTES);
                fixture.engine.restoreAs(image, "vm2");
                return null;
            };
            CompletableFuture<String> one = inThread(() -> message(clone));
            CompletableFuture<String> two = inThread(() -> message(clone));

            assertThat(List.of(one.get(1, TimeUnit.MINUTES), two.get(1, TimeUnit.MINUTES)))
                    .satisfiesExactlyInAnyOrder(
                            end -> assertThat(end).isEmpty(),
                            end -> assertThat(end).startsWith("vm vm2: ").contains("exist", "vm2"));
            fixture.resume("vm2");
            fault.verify(() -> {
                CheckpointTest.verify(fixture, "vm2");
                return 48 << 20;
            });
        }
        fixture.engine.stop("vm2", true, LONG, OperationListener.NONE);
        fixture.engine.remove("vm2", false);
    }

    /// The common pool may have fewer threads than a race has sides.
    private static CompletableFuture<String> inThread(Supplier<String> side) {
        return CompletableFuture.supplyAsync(side, task -> Thread.ofPlatform().start(task));
    }

    private void bringInto(String state) throws IOException {
        String now = fixture.state("vm1");
        if (now.equals("running") && state.equals("suspended")) {
            fixture.suspend("vm1");
        } else if (now.equals("suspended") && state.equals("running")) {
            fixture.resume("vm1");
        }
        assertThat(fixture.state("vm1")).isEqualTo(state);
    }

    private String run(String operation, CyclicBarrier barrier) {
        return message(() -> {
            barrier.await(1, TimeUnit.MINUTES);
            switch (operation) {
                case "resume" -> fixture.resume("vm1");
                case "suspend" -> fixture.suspend("vm1");
                case "checkpoint" -> fixture.checkpoint("vm1");
                case "start" -> fixture.engine.start("vm1", false);
                case "rm" -> fixture.engine.remove("vm1", false);
                default -> throw new IllegalArgumentException(operation);
            }
            return null;
        });
    }

    /// {@return empty when it ended well}
    private static String message(Callable<@Nullable Void> action) {
        try {
            action.call();
            return "";
        } catch (Exception e) {
            return String.valueOf(e.getMessage());
        }
    }
}
