package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The page server is killed behind every step of a restore, again and again, and its small parent starts it
/// anew. One guest goes through all of it, and verifies every byte of its pattern after
/// each.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PageServerKillTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final String KIND = "page server killed";
    private static final int PATTERN_MEBIBYTES = 64;
    private static final Path KEEPER =
            Path.of(System.getProperty("dormouse.root", "."), "scripts", "keep-page-server.sh");
    /// Takes the right to ptrace away for good; QEMU, which was started by somebody else, keeps it.
    private static final List<String> WITHOUT_PTRACE =
            List.of("setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace");

    @TempDir
    static Path folder;

    private EngineFixture fixture;

    @BeforeAll
    void boot() throws Exception {
        fixture = new EngineFixture(folder);
        fixture.boot(fixture.request("vm1"));
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
            probe.write("file", 7, 256, LONG);
        }
    }

    @AfterAll
    void end() throws IOException {
        fixture.close();
    }

    /// @param command how the restore begins, and goes on after each kill
    /// @param steps behind which one server after the other dies
    @ParameterizedTest(name = "{0}, behind {1}")
    @CsvSource({
        "resume, RECORDED STARTED LISTENING CONNECTED",
        "resume, CONFIGURED ANNOUNCED SHAKEN READY",
        "resume, 0%",
        "resume, 50%",
        "resume, 99%",
        "resume, PLACED",
        "resume, ENDED",
        "resume, CLEAN COMPLETE",
        "by-stream, LAUNCHED",
        "by-stream, 1%",
        "by-stream, 50%",
        "by-stream, 99%",
        "resume, 50% EXAMINED REPAIRED LISTENING_AGAIN",
    })
    void theRestoreCarriesOnByItself(String command, String steps) throws Exception {
        carryOn(command, steps);
    }

    @Tag("soak")
    @ParameterizedTest(name = "{0}, behind {1}")
    @CsvSource({
        "resume, LAUNCHED",
        "resume, 1%",
        "resume, RUNNING",
        "resume, DROPPED",
        "by-stream, READY LAUNCHED",
        "by-stream, 0%",
        "by-stream, PLACED",
        "by-stream, ENDED",
    })
    void theRestoreCarriesOnByItselfBehindTheOtherSteps(String command, String steps) throws Exception {
        carryOn(command, steps);
    }

    private void carryOn(String command, String steps) throws Exception {
        suspend();
        plan(steps);
        try (var fault = FaultReport.inject(KIND, command + " " + steps)) {
            String output = runKept(command);

            assertThat(output.lines().toList()).last().isEqualTo("done");
            assertThat(KillPlan.file(fixture.home.root())).isEmptyFile();
            fault.verify(this::verify);
        }
    }

    /// Killed in the middle of the handshake of its recovery, 7.2's QEMU dies too: then what counts is
    /// whether the guest wrote its disk meanwhile.
    @ParameterizedTest(name = "by stream, behind {0}")
    @CsvSource({"50% ASKED", "50% ANSWERED", "50% REPAIRED PLACED"})
    void aSecondKillInTheRecoveryLosesNothing(String steps) throws Exception {
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
        "by-stream, denied-resume, 99%",
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
    })
    void theOtherPlacementCarriesOnFromOtherSteps(String first, String second, String step) throws Exception {
        carryOnWith(first, second, step);
    }

    /// A QEMU whose device state was not loaded yet ends with its page server: the restore starts over then.
    private void carryOnWith(String first, String second, String step) throws Exception {
        suspend();
        plan(step);
        try (var fault = FaultReport.inject(KIND, first + " " + step + ", then " + second)) {
            run(List.of(), first);
            assertThat(fixture.state("vm1")).isIn("orphaned", "interrupted");

            assertCarriesOn(fixture, run(List.of(), second));

            fault.verify(this::verify);
        }
    }

    @Test
    void aServerWithoutTheRightToPtraceCarriesOnWhatWentByStream() throws Exception {
        suspend();
        plan("50%");
        try (var fault = FaultReport.inject(KIND, "by-stream 50%, then without CAP_SYS_PTRACE")) {
            run(List.of(), "by-stream");

            assertCarriesOn(fixture, run(WITHOUT_PTRACE, "resume"));

            fault.verify(this::verify);
        }
    }

    /// Where the kernel hides QEMU's memory from it: which pages are there cannot be known then, and a second
    /// copy of one would end QEMU.
    @Test
    void aServerWithoutTheRightToPtraceLeavesAloneWhatWentDirectly() throws Exception {
        suspend();
        plan("50%");
        try (var fault = FaultReport.inject(KIND, "resume 50%, then without CAP_SYS_PTRACE")) {
            run(List.of(), "resume");

            String end = run(WITHOUT_PTRACE, "resume");

            if (!end.endsWith("done")) { // Some kernels let root do it without the capability.
                assertThat(end)
                        .matches("failed: vm vm1: its restore cannot be carried on from here: process \\d+: its "
                                + "descriptors cannot be borrowed: Operation not permitted; the right to ptrace it is "
                                + "needed; the guest waits, run 'dormouse resume vm1' as root");
                assertThat(fixture.state("vm1")).isEqualTo("orphaned");
                fixture.resume("vm1");
            }
            fault.verify(this::verify);
        }
    }

    /// By stream a restore carries on, unless QEMU's main loop itself waits for a page: that only somebody can
    /// end who may place it directly, and who is called for then.
    static void assertCarriesOn(EngineFixture fixture, String end) throws IOException {
        if (!end.endsWith("done")) {
            assertThat(end)
                    .isEqualTo("failed: vm vm1: its restore cannot be carried on from here: QEMU itself waits for a "
                            + "page, its monitor does not answer; the guest waits, run 'dormouse resume vm1' as root");
            assertThat(fixture.state("vm1")).isEqualTo("orphaned");
            fixture.resume("vm1");
        }
    }

    private void suspend() throws IOException {
        if (fixture.state("vm1").equals("running")) {
            fixture.suspend("vm1");
        }
    }

    private void plan(String steps) throws IOException {
        Files.write(KillPlan.file(fixture.home.root()), List.of(steps.split(" ")));
    }

    private String runKept(String command) throws IOException, InterruptedException {
        return run(List.of("bash", KEEPER.toString()), command);
    }

    private String run(List<String> prefix, String command) throws IOException, InterruptedException {
        String classPath = System.getProperty("java.class.path");
        try (var child = ChildEngine.start(prefix, classPath, fixture.home.root(), command, "vm1")) {
            return child.await();
        }
    }

    private long verify() throws Exception {
        assertThat(fixture.state("vm1")).isEqualTo("running");
        try (GuestProbe probe = fixture.probe("vm1")) {
            long bytes = probe.verify("pattern", LONG);
            assertThat(bytes).isEqualTo((long) PATTERN_MEBIBYTES << 20);
            probe.check("file", 7, 256, LONG);
            return bytes + (256 << 10);
        }
    }
}
