package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.restore.RestoreStep;
import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// QEMU is killed behind every step of a restore and of a suspend. As long as the guest has written nothing
/// the restore starts over by itself; after that nothing happens by itself, and no file is lost.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class QemuKillContract {
    private static final Duration LONG = EngineFixture.LONG;
    private static final String KIND = "QEMU killed";

    @TempDir
    static Path folder;

    private EngineFixture fixture;

    /// {@return the version of QEMU}
    String qemu() {
        return "7.2";
    }

    /// {@return the memory back end}
    String memory() {
        return "anonymous";
    }

    @BeforeAll
    void boot() throws Exception {
        fixture = new EngineFixture(folder, EngineFixture.qemu(qemu()));
        fixture.boot(fixture.request("vm1").withMemoryBackend(memory()));
        CheckpointTest.fillPattern(fixture);
    }

    @AfterAll
    void end() throws IOException {
        if (fixture != null) { // Null where this QEMU is not to be had.
            fixture.close();
        }
    }

    private OperationListener killing(String step) throws IOException {
        Path plan = KillPlan.file(fixture.home.root());
        Files.write(plan, List.of(step));
        return new KillPlan(plan, this::killQemu);
    }

    private void killQemu() {
        kill(fixture);
    }

    static void kill(EngineFixture fixture) {
        try {
            fixture.process("vm1").kill();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private void suspend() throws IOException {
        if (!fixture.state("vm1").equals("suspended")) {
            fixture.suspend("vm1");
        }
    }

    private long verify() throws Exception {
        CheckpointTest.verify(fixture, "vm1");
        return (48 << 20) + (256 << 10);
    }

    @ParameterizedTest(name = "behind {0}")
    @ValueSource(strings = {"STARTED", "CONNECTED", "SHAKEN", "LAUNCHED", "50%", "CLEAN"})
    void anEmptyOverlayStartsOverByItself(String step) throws Exception {
        startOver(step);
    }

    @Tag("soak")
    @ParameterizedTest(name = "behind {0}")
    @ValueSource(strings = {"LISTENING", "CONFIGURED", "ANNOUNCED", "READY", "0%", "99%", "PLACED", "ENDED"})
    void anEmptyOverlayStartsOverByItselfBehindTheOtherSteps(String step) throws Exception {
        startOver(step);
    }

    private void startOver(String step) throws Exception {
        suspend();
        var steps = new ArrayList<String>();
        try (var fault = FaultReport.inject(KIND, "resume " + step)) {
            try {
                fixture.engine.resume("vm1", ResumeOptions.DEFAULT, watching(killing(step), steps));
                assertThat(steps).anyMatch(text -> text.startsWith("starting over: vm vm1: resume failed: QEMU"));
            } catch (VmException e) { // The guest's kernel had written something.
                assertThat(e).hasMessageContaining("goes back to its image of ");
                goBack();
            }

            fault.verify(this::verify);
        }
    }

    private void goBack() throws IOException {
        assertThat(fixture.state("vm1")).isEqualTo("crashed");
        var discarding = new ResumeOptions(false, false, true, ResumeOptions.DEFAULT.restore());
        fixture.engine.resume("vm1", discarding, OperationListener.NONE);
    }

    /// Its image is spent and it has all its memory: a QEMU that dies then takes with it what any does.
    @ParameterizedTest(name = "behind {0}")
    @ValueSource(strings = {"COMPLETE", "DROPPED"})
    void aVmThatIsCompleteBootsFromItsNewestFiles(String step) throws Exception {
        suspend();
        try (var fault = FaultReport.inject(KIND, "resume " + step)) {
            assertThatThrownBy(() -> fixture.engine.resume("vm1", ResumeOptions.DEFAULT, killing(step)))
                    .hasMessageEndingWith("; 'dormouse start vm1' boots it");

            assertThat(fixture.home.imageIds()).isEmpty();
            fixture.start("vm1");
            fault.verify(() -> {
                try (GuestProbe probe = fixture.probe("vm1")) {
                    probe.check("one", 7, 256, LONG);
                }
                return 256 << 10;
            });
        }
        CheckpointTest.fillPattern(fixture);
    }

    /// From its publication on the image counts, whatever becomes of the QEMU that it was taken from.
    @ParameterizedTest(name = "at ''{0}''")
    @ValueSource(strings = {"publishing the image", "ending QEMU"})
    void aSuspendNeedsNoQemuFromThePublicationOn(String step) throws Exception {
        if (!fixture.state("vm1").equals("running")) {
            fixture.resume("vm1");
        }
        try (var fault = FaultReport.inject(KIND, "suspend, " + step)) {
            fixture.engine.suspend(
                    "vm1",
                    new OperationListener() {
                        @Override
                        public void step(String what) {
                            if (what.equals(step)) {
                                killQemu();
                            }
                        }
                    },
                    new Cancellation());

            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            fixture.resume("vm1");
            fault.verify(this::verify);
        }
    }

    static OperationListener watching(OperationListener kills, List<String> steps) {
        return new OperationListener() {
            @Override
            public void reached(RestoreStep step) {
                kills.reached(step);
            }

            @Override
            public void placed(long pages, long ofPages) {
                kills.placed(pages, ofPages);
            }

            @Override
            public void running() {
                kills.running();
            }

            @Override
            public void step(String what) {
                steps.add(what);
            }
        };
    }
}
