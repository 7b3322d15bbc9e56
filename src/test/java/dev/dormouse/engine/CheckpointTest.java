package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.bench.GuestProbe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Images that are kept: checkpoints of a VM that runs on, and other VMs made of them.
@Tag("qemu")
class CheckpointTest {
    private static final Duration LONG = EngineFixture.LONG;
    static final long PATTERN_BYTES = 48 << 20;

    @TempDir
    Path folder;

    @Test
    void anEagerRestoreBringsEverythingBeforeTheGuestRuns() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            bootWithPattern(fixture);
            fixture.suspend("vm1");

            ResumeResult resumed =
                    fixture.engine.resume("vm1", ResumeOptions.DEFAULT.withEager(true), OperationListener.NONE);

            assertThat(resumed.pagesOnDemand()).isZero();
            verify(fixture, "vm1");
            fixture.suspend("vm1");
            fixture.resume("vm1");
            verify(fixture, "vm1");
        }
    }

    @Test
    void aKeptImageBecomesAnotherVmWhileTheFirstRuns() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            bootWithPattern(fixture);
            String image = fixture.suspend("vm1").image();
            fixture.engine.resume("vm1", ResumeOptions.DEFAULT.withKeepImage(true), OperationListener.NONE);
            assertThat(fixture.home.imageIds()).containsExactly(image);
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw", "disk0-1.qcow2");

            fixture.engine.restoreAs(image, "vm2");
            fixture.resume("vm2");

            verify(fixture, "vm1");
            verify(fixture, "vm2");
            assertThat(fixture.home.imageIds()).containsExactly(image);
            assertThat(fixture.layers("vm2")).containsExactly("vm1.raw", "disk0-1.qcow2");
        }
    }

    @ParameterizedTest(name = "QEMU {0}")
    @ValueSource(strings = {"7.2", "10.0"})
    void aCheckpointHoldsTheMomentAndTheVmRunsOn(String version) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            bootWithPattern(fixture);
            String image = fixture.checkpoint("vm1").image();
            assertThat(fixture.state("vm1")).isEqualTo("running");
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.write("after", 9, 128, LONG);
                probe.fill("later", 3, 16, 50, LONG);
            }

            fixture.engine.restoreAs(image, "clone");
            fixture.resume("clone");

            verify(fixture, "vm1");
            verify(fixture, "clone");
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.check("after", 9, 128, LONG);
                probe.verify("later", LONG);
            }
            try (GuestProbe probe = fixture.probe("clone")) {
                assertThatThrownBy(() -> probe.check("after", 9, 128, LONG)).hasMessageContaining("after");
                assertThatThrownBy(() -> probe.verify("later", LONG))
                        .hasMessage("guest: 'verify later' answered: error region 'later' does not exist");
            }
        }
    }

    /// Each suspend and each checkpoint has overlays of its own; the image in the middle stays whole.
    @Test
    void aVmIsSuspendedAndResumedAboveItsCheckpoints() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            bootWithPattern(fixture);
            String first = fixture.checkpoint("vm1").image();
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.write("two", 2, 128, LONG);
            }
            String second = fixture.checkpoint("vm1").image();
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.write("three", 3, 128, LONG);
            }
            fixture.suspend("vm1");
            fixture.resume("vm1");

            assertThat(fixture.home.imageIds()).containsExactlyInAnyOrder(first, second);
            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw", "disk0-1.qcow2", "disk0-2.qcow2");
            verify(fixture, "vm1");
            fixture.engine.restoreAs(second, "clone");
            fixture.resume("clone");
            try (GuestProbe probe = fixture.probe("clone")) {
                probe.check("two", 2, 128, LONG);
                assertThatThrownBy(() -> probe.check("three", 3, 128, LONG)).hasMessageContaining("three");
            }
        }
    }

    @Test
    void aVmWhoseLayersAnImageNeedsIsNotRemoved() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            fixture.boot(dev.dormouse.bench.GuestVm.request(fixture.guest, "vm1", "384M"));
            String image = fixture.checkpoint("vm1").image();
            fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);
            assertThat(fixture.layers("vm1")).containsExactly("disk.raw", "disk0.qcow2", "disk0-1.qcow2");

            assertThatThrownBy(() -> fixture.engine.remove("vm1", false))
                    .hasMessage(
                            "vm vm1: its disk layer %s is needed by image %s, remove that first; 'dormouse rm --images vm1' removes its images, too"
                                    .formatted(fixture.home.vm("vm1").resolve("disks/disk0.qcow2"), image));

            assertThat(fixture.engine.remove("vm1", false, true).removed()).containsExactly(image);
            assertThat(fixture.home.image(image)).doesNotExist();
            assertThat(fixture.engine.list()).isEmpty();
            assertThat(fixture.home.vm("vm1")).doesNotExist();
        }
    }

    /// A clone shares its image with the VM that it was made of until both are awake.
    @Test
    void removingACloneLeavesTheImageThatItSharesAlone() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            bootWithPattern(fixture);
            String image = fixture.suspend("vm1").image();
            fixture.engine.restoreAs(image, "vm2");
            fixture.engine.restoreAs(image, "vm3");

            fixture.engine.remove("vm2", true);

            assertThat(fixture.home.image(image)).exists();
            fixture.resume("vm1");
            verify(fixture, "vm1");
            assertThat(Files.exists(fixture.home.image(image))).isTrue();
            fixture.resume("vm3");
            verify(fixture, "vm3");
        }
    }

    static void bootWithPattern(EngineFixture fixture) throws Exception {
        fixture.boot(fixture.request("vm1"));
        fillPattern(fixture);
    }

    static void fillPattern(EngineFixture fixture) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.fill("a", 42, 48, 50, LONG);
            probe.write("one", 7, 256, LONG);
        }
    }

    static void verify(EngineFixture fixture, String name) throws Exception {
        try (GuestProbe probe = fixture.probe(name)) {
            assertThat(probe.verify("a", LONG)).isEqualTo(PATTERN_BYTES);
            probe.check("one", 7, 256, LONG);
        }
    }
}
