package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.VmRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The host ends and is back.
@Tag("qemu")
class BringBackTest {
    @TempDir
    Path folder;

    @Test
    void whatIsBeingPutAwayOrWokenWhenTheHostEndsIsAsleepThen() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            for (String name : List.of("away", "saved", "woken")) {
                fixture.engine.create(VmRequest.named(name).withMemory("128M"));
                fixture.run("start", name);
            }
            fixture.run("suspend", "woken");
            for (var request : List.of("away/suspend", "saved/checkpoint", "woken/resume")) {
                assertThat(fixture.send("POST", "/v1/vms/" + request, null).status())
                        .isEqualTo(202);
            }

            fixture.endWithTheHost();

            for (String name : List.of("away", "saved", "woken")) {
                assertThat(fixture.engine.status(name).state()).as(name).isEqualTo("suspended");
            }
            assertThat(Files.readString(folder.resolve("home/bring-back.json")))
                    .isEqualTo("{\"vms\":[\"saved\",\"woken\"]}\n");
            fixture.startAgain();
        }
    }

    @Test
    void whatWasAwakeIsSuspendedBeforeTheHostEndsAndResumedWhenItIsBack() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            for (String name : List.of("awake", "asleep", "off")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M"));
            }
            fixture.run("start", "awake");
            fixture.run("start", "asleep");
            fixture.run("suspend", "asleep");

            fixture.endWithTheHost();
            assertThat(fixture.engine.status("awake").state()).isEqualTo("suspended");
            assertThat(Files.readString(folder.resolve("home/bring-back.json"))).isEqualTo("{\"vms\":[\"awake\"]}\n");
            fixture.startAgain();

            long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            Path file = folder.resolve("home/bring-back.json");
            while (!fixture.state("awake").equals("running") || Files.exists(file)) {
                assertThat(System.nanoTime() - end).isNegative();
                Thread.sleep(50);
            }
            assertThat(fixture.state("asleep")).isEqualTo("suspended");
        }
    }
}
