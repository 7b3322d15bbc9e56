package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.engine.VmRequest;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What Prometheus reads after the life of a VM.
@Tag("qemu")
class MetricsTest {
    @TempDir
    Path folder;

    @Test
    void countsWhatTheDaemonDid() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            fixture.engine.create(VmRequest.named("web").withMemory("64M"));
            fixture.run("start", "web");
            fixture.run("suspend", "web");
            fixture.run("resume", "web");
            fixture.run("suspend", "web");

            DaemonClient.Answer answer = fixture.send("GET", "/metrics", null);

            assertThat(answer.status()).isEqualTo(200);
            assertThat(answer.headers().get("content-type")).startsWith("text/plain; version=0.0.4");
            assertThat(answer.body().lines())
                    .contains(
                            "dormouse_vms{state=\"suspended\"} 1.0",
                            "dormouse_vm_memory_bytes{state=\"suspended\"} 6.7108864E7",
                            "dormouse_front_clients 0.0",
                            "dormouse_operations_total{kind=\"suspend\",state=\"succeeded\"} 2.0",
                            "dormouse_resume_guest_runs_seconds_count 1",
                            "dormouse_resume_complete_seconds_count 1",
                            "dormouse_capture_paused_seconds_count 2",
                            "dormouse_image_bytes_count 2");
        }
    }
}
