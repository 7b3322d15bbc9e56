package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.image.VerifyReport;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.testkit.FailingStorage;
import dev.dormouse.testkit.FailingStorage.Fault;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// One operation on a file fails, each in turn, of a suspend and of a resume with its merge, with a real QEMU that has
/// no guest: the VM runs on, or it can be resumed; the same command succeeds when the storage does.
class FailingStepsTest {
    private static final Duration LONG = EngineFixture.LONG;

    @TempDir
    Path folder;

    private final FailingStorage storage = new FailingStorage();

    @Test
    @Tag("qemu")
    void someStepsFail() throws Exception {
        run(40);
    }

    @Test
    @Tag("soak")
    void eachStepFails() throws Exception {
        run(1);
    }

    private void run(int stride) throws Exception {
        try (var fixture = new EngineFixture(folder, null, storage)) {
            fixture.startWithoutGuest("vm1");
            int steps = 0;
            for (Fault fault : Fault.values()) {
                for (int step = 1 + steps % stride; failingCycle(fixture, step, fault); step += stride) {
                    steps++;
                }
            }
            System.out.println("steps that failed: " + steps);
            assertThat(steps).isGreaterThan(5);
        }
    }

    /// {@return whether the step was there to fail}
    private boolean failingCycle(EngineFixture fixture, int step, Fault fault) throws IOException {
        String what = fault + " at step " + step;
        storage.failAt(step, fault);
        String failure = attempt(() -> fixture.suspend("vm1"));
        boolean failed = storage.hasFailed();
        storage.failNever();
        assertRestsAfter(fixture, what + " of a suspend: " + failure);
        if (fixture.record("vm1").state() == VmState.RUNNING) {
            assertRuns(fixture, what);
            fixture.suspend("vm1");
        }
        storage.failAt(step, fault);
        failure = attempt(() -> fixture.resume("vm1"));
        failed |= storage.hasFailed();
        storage.failNever();
        assertRestsAfter(fixture, what + " of a resume: " + failure);
        if (fixture.record("vm1").state() != VmState.RUNNING) {
            fixture.resume("vm1");
        }
        assertRuns(fixture, what);
        assertThat(fixture.leftovers()).as(what).isEmpty();
        return failed;
    }

    private interface Action {
        void run() throws IOException;
    }

    /// {@return what it said when it failed; from here on nothing else does}
    private static String attempt(Action action) {
        try {
            action.run();
            return "none";
        } catch (IOException e) {
            assertThat(e.getMessage()).isNotNull().doesNotContain("\n");
            return String.valueOf(e.getMessage());
        }
    }

    /// Settles as the next command would: what is not running is whole and can be resumed.
    private void assertRestsAfter(EngineFixture fixture, String what) throws IOException {
        Vm vm = fixture.vm("vm1");
        new Settle(fixture.home, fixture.engine.tools(), vm).run();
        VmRecord record = vm.record();
        assertThat(record.state()).as(what).isIn(Set.of(VmState.RUNNING, VmState.SUSPENDED, VmState.RESTORING));
        String image = record.image();
        if (image != null) {
            VerifyReport report = fixture.engine.images().verify(fixture.home.image(image), VerifyReport.Progress.NONE);
            assertThat(report.damages()).as(what).isEmpty();
        }
    }

    private static void assertRuns(EngineFixture fixture, String what) throws IOException {
        assertThat(fixture.state("vm1")).as(what).isEqualTo("running");
        try (QmpClient qmp = QmpClient.connect(fixture.vm("vm1").sockets().qmp(), LONG, fixture.process("vm1"))) {
            assertThat(qmp.execute("query-status", Map.of(), LONG).get("status"))
                    .as(what)
                    .isEqualTo("running");
        }
    }
}
