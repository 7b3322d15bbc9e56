package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.qmp.QmpClient;
import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A suspend is killed while the guest stands still for the merge that makes room for one more layer: whoever settles
/// the VM lets it go on, with all that it has written.
@Tag("qemu")
class CutOffTest {
    private static final int WRITTEN_MEBIBYTES = 192; // Their merge takes far longer than noticing that it has begun.
    private static final int TRIES = 5;

    @TempDir
    Path folder;

    private EngineFixture fixture;

    @BeforeEach
    void start() throws Exception {
        fixture = new EngineFixture(folder, EngineFixture.qemu("10.0"));
        fixture.startWithoutGuest("vm1", (long) WRITTEN_MEBIBYTES << 20);
        fixture.makeLayers("vm1");
    }

    @AfterEach
    void end() throws IOException {
        fixture.close();
    }

    @Test
    void aGuestThatStandsStillForAMergeThatWasKilledGoesOn() throws Exception {
        try (var fault = FaultReport.inject("suspend killed", "guest stands still for a merge")) {
            killWhileItStandsStill();
            assertThat(fixture.engine.neglect("vm1")).isEqualTo(Neglect.CUT_OFF);

            assertThat(fixture.engine.settleCutOff("vm1")).isTrue();

            assertThat(fixture.engine.settleCutOff("vm1")).isFalse();

            assertThat(fixture.engine.neglect("vm1")).isEqualTo(Neglect.NONE);
            assertThat(qemuStatus()).isEqualTo("running");
            fault.verify(this::verify);
        }
        fixture.suspend("vm1");
        fixture.resume("vm1");
        verify();
    }

    /// Its merge may be over before it is killed; then there is nothing to see, and it is tried again.
    private void killWhileItStandsStill() throws Exception {
        for (int i = 0; i < TRIES; i++) {
            io("write -P 7 0 %dM".formatted(WRITTEN_MEBIBYTES));
            io("flush");
            Path qemu = EngineFixture.qemu10().orElseThrow();
            try (var child = ChildEngine.start(fixture.home.root(), "suspend", "vm1", qemu.toString())) {
                boolean begun = awaitMerge(child);
                child.kill();
                if (begun && isPaused()) {
                    return;
                }
            }
            fixture.engine.settle("vm1");
            if (fixture.state("vm1").equals("suspended")) {
                fixture.resume("vm1");
            }
        }
        throw new AssertionError("no merge was seen in %d suspends".formatted(TRIES));
    }

    private boolean awaitMerge(ChildEngine child) throws Exception {
        Path record = fixture.home.vm("vm1").resolve("restore.json");
        long end = System.nanoTime() + EngineFixture.LONG.toNanos();
        while (!child.hasEnded()) {
            assertThat(System.nanoTime() - end).isNegative();
            if (saysThatItStandsStill(record) && isPaused()) {
                return true;
            }
            TimeUnit.MILLISECONDS.sleep(1);
        }
        return false;
    }

    private static boolean saysThatItStandsStill(Path record) throws IOException {
        try {
            return Files.readString(record).replace(" ", "").contains("\"guestStopped\":true");
        } catch (NoSuchFileException _) {
            return false;
        }
    }

    private long verify() throws IOException {
        io("read -P 7 0 %dM".formatted(WRITTEN_MEBIBYTES)); // Fails if it finds another byte.
        return (long) WRITTEN_MEBIBYTES << 20;
    }

    private void io(String command) throws IOException {
        try (QmpClient qmp = connect()) {
            MachineDeathContract.hmp(qmp, command);
        }
    }

    /// Not if its QEMU has ended meanwhile.
    private boolean isPaused() {
        try {
            return qemuStatus().equals("paused");
        } catch (IOException | IllegalStateException _) {
            return false;
        }
    }

    private String qemuStatus() throws IOException {
        try (QmpClient qmp = connect()) {
            return String.valueOf(qmp.execute("query-status").get("status"));
        }
    }

    /// By the monitor that the child does not use: each has one client at a time.
    private QmpClient connect() throws IOException {
        return QmpClient.connect(
                fixture.vm("vm1").sockets().qmpOutOfBand(), EngineFixture.LONG, fixture.process("vm1"));
    }
}
