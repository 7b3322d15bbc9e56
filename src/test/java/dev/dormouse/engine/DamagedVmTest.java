package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.VmRequest.DiskRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A VM whose state is damaged is in the way of no other, loses nothing that it may need, and can be removed; with a
/// real QEMU that has no guest.
@Tag("qemu")
class DamagedVmTest {
    @TempDir
    Path folder;

    private EngineFixture fixture;
    private Path state;

    @BeforeEach
    void start() throws Exception {
        fixture = new EngineFixture(folder);
        fixture.startWithoutGuest("vm1");
        state = fixture.home.vm("zz").resolve("state.json");
    }

    @AfterEach
    void end() throws IOException {
        Files.deleteIfExists(state);
        fixture.close();
    }

    private String damage() throws IOException {
        String whole = Files.readString(state);
        Files.writeString(state, "{");
        return whole;
    }

    @Test
    void isInTheWayOfNoOther() throws Exception {
        Path disk = Files.write(folder.resolve("zz.raw"), new byte[4096]);
        fixture.engine.create(VmRequest.named("zz")
                .withMemory("16M")
                .withDisks(List.of(new DiskRequest(disk.toString(), null, null))));
        String whole = damage();
        fixture.suspend("vm1");

        fixture.resume("vm1");
        assertThat(fixture.engine.images().ids()).isEmpty();
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw"); // Merged.
        String image = fixture.suspend("vm1").image();
        assertThat(fixture.engine.images().users().get(image)).containsExactly("vm1");
        assertThat(fixture.engine.collectGarbage(false, OperationListener.NONE).passedOver())
                .singleElement()
                .asString()
                .startsWith("vm zz: " + state + " is damaged: not a JSON VmRecord: ");
        fixture.engine.start("vm1", true);
        assertThat(fixture.engine.images().ids()).isEmpty();
        Files.writeString(state, whole);
        assertThat(fixture.state("zz")).isEqualTo("stopped");
    }

    @Test
    void losesNothingThatItMayNeed() throws Exception {
        String image = fixture.suspend("vm1").image();
        fixture.engine.restoreAs(image, "zz");
        String whole = damage();
        var steps = new ArrayList<String>();

        fixture.engine.resume("vm1", ResumeOptions.DEFAULT, new OperationListener() {
            @Override
            public void step(String what) {
                steps.add(what);
            }
        });

        assertThat(steps).contains("keeping the image " + image + ", which vm zz may need: its state cannot be read");
        assertThat(fixture.engine.images().ids()).containsExactly(image);
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw", "disk0-1.qcow2");
        assertThatThrownBy(() -> fixture.engine.images().remove(image))
                .hasMessage(
                        "image " + image
                                + ": may hold the memory of vm zz, whose state cannot be read; 'dormouse show zz' says what to do about that");
        Files.writeString(state, whole);
        fixture.resume("zz");
        assertThat(fixture.state("zz")).isEqualTo("running");
    }

    @Test
    void isRemovedByForceUnlessItsQemuRuns() throws Exception {
        String image = fixture.suspend("vm1").image();
        fixture.engine.restoreAs(image, "zz");
        fixture.resume("zz");
        String whole = damage();
        assertThatThrownBy(() -> fixture.engine.remove("zz", true))
                .hasMessageMatching("vm zz: its QEMU, process \\d+, still runs; end that first");

        Files.writeString(state, whole);
        String own = fixture.suspend("zz").image();
        Files.write(state, new byte[] {(byte) 0xff});
        assertThatThrownBy(() -> fixture.engine.remove("zz", false))
                .hasMessage("vm zz: " + state + " is damaged: not text; restore the file from a backup or "
                        + "remove the VM with 'dormouse rm --force zz'");
        assertThatThrownBy(() -> fixture.engine.remove("zz", true))
                .hasMessageContaining("is needed by image " + own)
                .hasMessageEndingWith("'dormouse rm --force --images zz' removes its images, too");
        assertThat(fixture.engine.remove("zz", true, true).removed()).containsExactly(own);

        assertThat(fixture.home.vm("zz")).doesNotExist();
        fixture.resume("vm1");
        assertThat(fixture.engine.images().ids()).isEmpty();
    }
}
