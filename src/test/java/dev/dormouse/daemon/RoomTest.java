package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.engine.VmRequest;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// More VMs than the host is to have awake at once.
@Tag("qemu")
class RoomTest {
    @TempDir
    Path folder;

    @Test
    void theOneIsSuspendedThatNobodyUsesAndNeverAPinnedOne() throws Exception {
        try (var fixture = new DaemonFixture(folder, new DaemonOptions(null, null, 150 << 20, 0))) {
            for (String name : List.of("a", "b", "c")) {
                fixture.engine.create(VmRequest.named(name).withMemory("64M"));
            }
            fixture.send("PUT", "/v1/vms/a/settings", "{\"pinned\": true}");
            fixture.run("start", "a");
            fixture.run("start", "b");

            fixture.run("start", "c");

            assertThat(fixture.state("a")).isEqualTo("running");
            assertThat(fixture.state("b")).isEqualTo("suspended");
            fixture.run("resume", "b");
            assertThat(fixture.state("c")).isEqualTo("suspended");

            fixture.send("PUT", "/v1/vms/b/settings", "{\"pinned\": true}");
            DaemonClient.Answer answer = fixture.send("POST", "/v1/vms/c/resume?wait=60", null);
            assertThat(answer.status()).isEqualTo(409);
            assertThat(Json.parseObject(answer.body()).get("detail"))
                    .isEqualTo("vm c: no room: it needs 64.0 MiB, and of the 150 MiB of the memory limit 128 MiB "
                            + "belong to VMs that are pinned, have clients or are busy; suspend one of them or raise "
                            + "--memory-limit");
            assertThat(fixture.state("c")).isEqualTo("suspended");
        }
    }
}
