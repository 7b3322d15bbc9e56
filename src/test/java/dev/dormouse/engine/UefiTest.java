package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The variable store of UEFI firmware, which writes to it at every boot: frozen with the disks, written on
/// an overlay, and merged back.
@Tag("qemu")
@Timeout(600)
class UefiTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final Path CODE = Path.of("/usr/share/OVMF/OVMF_CODE_4M.fd");
    private static final Path VARIABLES = Path.of("/usr/share/OVMF/OVMF_VARS_4M.fd");
    private static final int STORE = 1; // Of the VM's disks, behind its small one.

    @TempDir
    Path folder;

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void freezesTheVariableStoreAndMergesItAsADisk(String version) throws Exception {
        Assumptions.assumeTrue(Files.exists(CODE), CODE + " is missing, install the package ovmf");
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            Path store = Files.copy(VARIABLES, folder.resolve("store.fd"));
            fixture.boot(fixture.request("vm1").withUefi(CODE.toString(), store.toString()));
            fill(fixture);
            assertThat(Files.mismatch(VARIABLES, store))
                    .as("firmware has written")
                    .isNotNegative();

            assertMergedAfterAResume(fixture);
            assertFrozenWhileAnImageNeedsIt(fixture, store);
            assertMergedWhenNobodyNeedsIt(fixture, store);
        }
    }

    private static void assertMergedAfterAResume(EngineFixture fixture) throws Exception {
        fixture.suspend("vm1");
        fixture.resume("vm1");

        verify(fixture);
        boolean merged = Merge.isLiveCommitSafe(fixture.engine.tools().qemu().version());
        assertThat(storeLayers(fixture)).isEqualTo(merged ? List.of("store.fd") : List.of("store.fd", "disk1-1.qcow2"));
    }

    private void assertFrozenWhileAnImageNeedsIt(EngineFixture fixture, Path store) throws Exception {
        fixture.suspend("vm1");
        Path frozen = Files.copy(store, folder.resolve("frozen"));
        var options = new ResumeOptions(false, true, false, ResumeOptions.DEFAULT.restore());
        fixture.engine.resume("vm1", options, OperationListener.NONE);
        verify(fixture);

        assertThat(storeLayers(fixture)).startsWith("store.fd").endsWith("disk1-2.qcow2");

        reset(fixture);

        assertThat(Files.mismatch(frozen, store)).as("the store is frozen").isEqualTo(-1);
    }

    private void assertMergedWhenNobodyNeedsIt(EngineFixture fixture, Path store) throws Exception {
        fixture.engine.images().remove(fixture.home.imageIds().getFirst());
        fill(fixture);
        fixture.suspend("vm1");
        fixture.resume("vm1");
        verify(fixture);

        fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);

        assertThat(storeLayers(fixture)).containsExactly("store.fd");
        assertThat(fixture.diskFiles("vm1")).isEmpty();
        assertThat(Files.mismatch(folder.resolve("frozen"), store))
                .as("what was written since is in the store")
                .isNotNegative();
    }

    private static List<String> storeLayers(EngineFixture fixture) throws IOException {
        return fixture.record("vm1").chains().get(STORE).layers().stream()
                .map(layer -> Path.of(layer.path()).getFileName().toString())
                .toList();
    }

    /// The firmware starts anew, and the guest with it.
    private static void reset(EngineFixture fixture) throws Exception {
        try (QmpClient qmp =
                QmpClient.connect(fixture.vm("vm1").sockets().qmp(), Duration.ofSeconds(10), fixture.process("vm1"))) {
            long mark = qmp.eventMark();
            qmp.execute("system_reset");
            assertThat(qmp.pollEvent(mark, event -> event.name().equals("RESET"), LONG))
                    .isPresent();
        }
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.ping("reset", LONG);
        }
    }

    private static void fill(EngineFixture fixture) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.fill("a", 42, 48, 50, LONG);
        }
    }

    private static void verify(EngineFixture fixture) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            assertThat(probe.verify("a", LONG)).isEqualTo(48L << 20);
        }
    }
}
