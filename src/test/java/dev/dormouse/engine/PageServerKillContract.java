package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The page server is killed behind every step of a restore, again and again.
abstract class PageServerKillContract extends PageServerKills {
    /// @param command how the restore begins, and goes on after each kill
    /// @param steps behind which one server after the other dies
    @ParameterizedTest(name = "{0}, behind {1}")
    @CsvSource({
        "resume, RECORDED STARTED LISTENING CONNECTED",
        "resume, CONFIGURED ANNOUNCED SHAKEN READY",
        "resume, 0%",
        "resume, ENDED",
        "resume, CLEAN COMPLETE",
        "by-stream, LAUNCHED",
        "by-stream, 99%",
        "early, SHAKEN LAUNCHED",
        "early, PLACED EXAMINED",
        "resume, 50% EXAMINED REPAIRED LISTENING_AGAIN",
    })
    void theRestoreCarriesOnByItself(String command, String steps) throws Exception {
        carryOn(command, steps);
    }

    /// All that goes before RUN is there by then.
    @Test
    void aServerThatDiesBeforeTheGuestRunsHasTheRestoreStartOver() throws Exception {
        startOver("early", "SHAKEN");
    }

    @Tag("soak")
    @ParameterizedTest(name = "{0}, behind {1}")
    @CsvSource({
        "resume, LAUNCHED",
        "resume, 1%",
        "resume, 50%",
        "resume, 99%",
        "resume, PLACED",
        "resume, RUNNING",
        "resume, DROPPED",
        "by-stream, READY LAUNCHED",
        "by-stream, 0%",
        "by-stream, 1%",
        "by-stream, 50%",
        "by-stream, PLACED",
        "by-stream, ENDED",
    })
    void theRestoreCarriesOnByItselfBehindTheOtherSteps(String command, String steps) throws Exception {
        carryOn(command, steps);
    }

    /// Killed in the middle of the handshake of its recovery, 7.2's QEMU dies too: then what counts is
    /// whether the guest wrote its disk meanwhile.
    @ParameterizedTest(name = "by stream, behind {0}")
    @CsvSource("50% ANSWERED")
    void aSecondKillInTheRecoveryLosesNothing(String steps) throws Exception {
        killTwice(steps);
    }

    @Tag("soak")
    @ParameterizedTest(name = "by stream, behind {0}")
    @CsvSource({"50% ASKED", "50% REPAIRED PLACED"})
    void aSecondKillInTheRecoveryBehindTheOtherStepsLosesNothing(String steps) throws Exception {
        killTwice(steps);
    }

    private void killTwice(String steps) throws Exception {
        suspend();
        plan(steps);
        try (var fault = FaultReport.inject(KIND, "by-stream " + steps)) {
            String last = runKept("by-stream").lines().toList().getLast();

            if (!last.equals("done")) {
                assertThat(last).contains("goes back to its image of ");
                assertThat(fixture.state("vm1")).isEqualTo("crashed");
                var back = new ResumeOptions(false, false, true, ResumeOptions.DEFAULT.restore());
                fixture.engine.resume("vm1", back, OperationListener.NONE);
            }
            fault.verify(this::verify);
        }
    }

    /// The right to place directly may be gone when the restore is carried on, or never have been there.
    @ParameterizedTest(name = "{0} until {2}, then {1}")
    @CsvSource({
        "resume, denied-resume, 50%",
        "denied-resume, denied-resume, 50%",
    })
    void theOtherPlacementCarriesOn(String first, String second, String step) throws Exception {
        carryOnWith(first, second, step);
    }

    @Tag("soak")
    @ParameterizedTest(name = "{0} until {2}, then {1}")
    @CsvSource({
        "resume, denied-resume, 1%",
        "resume, denied-resume, 99%",
        "by-stream, resume, 50%",
        "by-stream, denied-resume, 1%",
        "by-stream, denied-resume, 99%",
    })
    void theOtherPlacementCarriesOnFromOtherSteps(String first, String second, String step) throws Exception {
        carryOnWith(first, second, step);
    }

    @Test
    void aServerThatCannotSeeQemuCarriesOnWhatWentByStream() throws Exception {
        assumeQemuCanBeHidden();
        suspend();
        plan("50%");
        try (var fault = FaultReport.inject(KIND, what("by-stream 50%, then without capabilities"))) {
            run(List.of(), "by-stream");

            assertCarriesOn(fixture, run(WITHOUT_CAPABILITIES, "resume"));

            fault.verify(this::verify);
        }
    }

    /// Which pages are there cannot be known then, and a second copy of one would end QEMU.
    @Test
    void aServerThatCannotSeeQemuLeavesAloneWhatWentDirectly() throws Exception {
        assumeQemuCanBeHidden();
        suspend();
        plan("50%");
        try (var fault = FaultReport.inject(KIND, what("resume 50%, then without capabilities"))) {
            run(List.of(), "resume");

            assertWaitsForTheRight(run(WITHOUT_CAPABILITIES, "resume"));

            fault.verify(this::verify);
        }
    }

    /// It has no capabilities itself where an ordinary user started it.
    private static void assumeQemuCanBeHidden() throws IOException {
        assumeTrue(
                Files.readAllLines(Path.of("/proc/self/status")).stream()
                        .noneMatch(line -> line.matches("CapEff:\\s+0+")),
                "only root's QEMU can be hidden from root: these tests run without capabilities");
    }
}
