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
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/// One guest that goes through the deaths of many page servers, whose small parent starts them anew; it verifies every
/// byte of its pattern after each.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class PageServerKills {
    static final Duration LONG = EngineFixture.LONG;
    static final String KIND = "page server killed";
    private static final int PATTERN_MEBIBYTES = 64;
    private static final Path KEEPER =
            Path.of(System.getProperty("dormouse.root", "."), "scripts", "keep-page-server.sh");
    /// Takes the right to see QEMU away for good: the kernel hides a process from whoever has fewer capabilities.
    static final List<String> WITHOUT_CAPABILITIES = List.of("setpriv", "--bounding-set=-all", "--inh-caps=-all");

    @TempDir
    static Path folder;

    EngineFixture fixture;

    /// {@return the version of QEMU}
    String qemu() {
        return "7.2";
    }

    /// {@return the memory back end}
    String memory() {
        return "anonymous";
    }

    @BeforeAll
    final void boot() throws Exception {
        fixture = new EngineFixture(folder, EngineFixture.qemu(qemu()));
        fixture.boot(fixture.request("vm1").withMemoryBackend(memory()));
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.fill("pattern", 7, PATTERN_MEBIBYTES, 50, LONG);
            probe.write("file", 7, 256, LONG);
        }
    }

    @AfterAll
    final void end() throws IOException {
        if (fixture != null) { // Null where this QEMU is not to be had.
            fixture.close();
        }
    }

    /// {@return what a fault is called in the report}
    final String what(String steps) {
        return steps
                + (qemu().equals("7.2") ? "" : ", QEMU " + qemu())
                + (memory().equals("anonymous") ? "" : ", " + memory());
    }

    final void carryOn(String command, String steps) throws Exception {
        suspend();
        plan(steps);
        try (var fault = FaultReport.inject(KIND, what(command + " " + steps))) {
            String output = runKept(command);

            assertThat(output.lines().toList()).last().isEqualTo("done");
            assertThat(KillPlan.file(fixture.home.root())).isEmptyFile();
            fault.verify(this::verify);
        }
    }

    /// @param step by which the guest runs, or there would be nothing to carry on
    final void carryOnWith(String first, String second, String step) throws Exception {
        suspend();
        plan(step);
        try (var fault = FaultReport.inject(KIND, what(first + " " + step + ", then " + second))) {
            run(List.of(), first);
            assertThat(fixture.state("vm1")).isEqualTo("orphaned");

            assertCarriesOn(fixture, run(List.of(), second));

            fault.verify(this::verify);
        }
    }

    /// A QEMU that has not loaded its devices ends with its page server, however much of its memory is there.
    final void startOver(String command, String step) throws Exception {
        suspend();
        plan(step);
        try (var fault = FaultReport.inject(KIND, what(command + " " + step + ", then anew"))) {
            run(List.of(), command);
            InterruptionTest.await("QEMU has ended", () -> fixture.state("vm1").equals("interrupted"));

            assertThat(run(List.of(), command)).isEqualTo("running\ndone");

            fault.verify(this::verify);
        }
    }

    final void assertWaitsForTheRight(String end) throws IOException {
        assertThat(end)
                .matches("failed: vm vm1: its restore cannot be carried on from here: process \\d+: its descriptors "
                        + "cannot be borrowed: Operation not permitted; the right to ptrace it is needed; the guest "
                        + "waits, run 'dormouse resume vm1' as root");
        assertThat(fixture.state("vm1")).isEqualTo("orphaned");
        fixture.resume("vm1");
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

    final void suspend() throws IOException {
        if (fixture.state("vm1").equals("running")) {
            fixture.suspend("vm1");
        }
    }

    final void plan(String steps) throws IOException {
        Files.write(KillPlan.file(fixture.home.root()), List.of(steps.split(" ")));
    }

    final String runKept(String command) throws IOException, InterruptedException {
        return run(List.of("bash", KEEPER.toString()), command);
    }

    final String run(List<String> prefix, String command) throws IOException, InterruptedException {
        String classPath = System.getProperty("java.class.path");
        Path qemu = EngineFixture.qemu(qemu());
        String[] arguments =
                qemu == null ? new String[] {command, "vm1"} : new String[] {command, "vm1", qemu.toString()};
        try (var child = ChildEngine.start(prefix, classPath, fixture.home.root(), arguments)) {
            return child.await();
        }
    }

    final long verify() throws Exception {
        assertThat(fixture.state("vm1")).isEqualTo("running");
        try (GuestProbe probe = fixture.probe("vm1")) {
            long bytes = probe.verify("pattern", LONG);
            assertThat(bytes).isEqualTo((long) PATTERN_MEBIBYTES << 20);
            probe.check("file", 7, 256, LONG);
            return bytes + (256 << 10);
        }
    }
}
