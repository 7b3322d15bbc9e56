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
            while (!fixture.state("awake").equals("running")) {
                assertThat(System.nanoTime() - end).isNegative();
                Thread.sleep(50);
            }
            assertThat(fixture.state("asleep")).isEqualTo("suspended");
            assertThat(folder.resolve("home/bring-back.json")).doesNotExist();
        }
    }
}
