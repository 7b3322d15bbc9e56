package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.testkit.FaultReport;
import java.util.ArrayList;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Some deaths of page server and QEMU on 10.0 and with shared memory; [PageServerKillSoakTest] has all.
@Tag("qemu")
class KillsOnQemu10Test extends PageServerKills {
    @Override
    String qemu() {
        return "10.0";
    }

    @Override
    String memory() {
        return "shared";
    }

    @ParameterizedTest(name = "{0}, behind {1}")
    @CsvSource({"resume, SHAKEN 50% EXAMINED", "by-stream, 50%"})
    void theRestoreCarriesOnByItself(String command, String steps) throws Exception {
        carryOn(command, steps);
    }

    @Test
    void anEmptyOverlayStartsOverByItselfWhenQemuDies() throws Exception {
        suspend();
        plan("SHAKEN");
        var steps = new ArrayList<String>();
        try (var fault = FaultReport.inject("QEMU killed", "resume SHAKEN, QEMU 10.0, shared")) {
            var kills = new KillPlan(KillPlan.file(fixture.home.root()), () -> QemuKillContract.kill(fixture));
            fixture.engine.resume("vm1", ResumeOptions.DEFAULT, QemuKillContract.watching(kills, steps));

            assertThat(steps).anyMatch(text -> text.startsWith("starting over: vm vm1: resume failed: QEMU"));
            fault.verify(this::verify);
        }
    }
}
