package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.VmRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What Prometheus reads after the life of a VM.
class MetricsTest {
    @TempDir
    Path folder;

    private static OperationView ended(String kind, @Nullable Long responsiveMillis, Map<String, Object> result) {
        String time = "2026-11-30T08:00:00Z";
        return new OperationView(
                "op-1",
                kind,
                "web",
                "succeeded",
                time,
                time,
                time,
                null,
                null,
                null,
                350L,
                responsiveMillis,
                null,
                null,
                null,
                result,
                null,
                null);
    }

    private static Map<String, Object> demands(Long... microsMaxAndCounts) {
        var counts = new ArrayList<Map<String, Object>>();
        for (int i = 0; i < microsMaxAndCounts.length; i += 2) {
            Long micros = microsMaxAndCounts[i];
            counts.add(
                    micros == null
                            ? Map.of("demands", microsMaxAndCounts[i + 1])
                            : Map.of("microsMax", micros, "demands", microsMaxAndCounts[i + 1]));
        }
        return Map.of("report", Map.of("demandLatencies", counts, "blockedMillis", 1500L));
    }

    @Test
    void addsUpTheDemandsOfAllRestores() throws Exception {
        var metrics = new Metrics(new Engine(Home.at(folder, null)), new Activity());

        metrics.count(ended("resume", 700L, demands(200L, 5L, 1000L, 2L)));
        metrics.count(ended("resume", null, demands(200L, 1L, null, 3L)));

        assertThat(new String(metrics.text(), StandardCharsets.UTF_8).lines())
                .contains(
                        "# TYPE dormouse_resume_demand_latency_seconds histogram",
                        "dormouse_resume_demand_latency_seconds_bucket{le=\"5.0E-5\"} 0",
                        "dormouse_resume_demand_latency_seconds_bucket{le=\"2.0E-4\"} 6",
                        "dormouse_resume_demand_latency_seconds_bucket{le=\"0.001\"} 8",
                        "dormouse_resume_demand_latency_seconds_bucket{le=\"10.0\"} 8",
                        "dormouse_resume_demand_latency_seconds_bucket{le=\"+Inf\"} 11",
                        "dormouse_resume_demand_latency_seconds_count 11",
                        "dormouse_resume_demand_latency_seconds_sum 3.0",
                        "dormouse_resume_time_to_responsiveness_seconds_bucket{le=\"0.5\"} 0",
                        "dormouse_resume_time_to_responsiveness_seconds_bucket{le=\"0.75\"} 1",
                        "dormouse_resume_time_to_responsiveness_seconds_count 1");
    }

    @Test
    void hasTheMemoryInImagesByClassAndWhatSuspendsGaveBack() throws Exception {
        var metrics = new Metrics(new Engine(Home.at(folder, null)), new Activity());
        Map<String, Object> captured = Map.of(
                "imageBytes", 3e6,
                "memoryBytes", 100e6,
                "nonZeroBytes", 60e6,
                "storedBytes", 10e6,
                "duplicateBytes", 20e6,
                "onDiskBytes", 30e6);

        metrics.count(ended("suspend", null, captured));
        metrics.count(ended("checkpoint", null, captured));

        assertThat(new String(metrics.text(), StandardCharsets.UTF_8).lines())
                .contains(
                        "dormouse_image_memory_bytes_count{class=\"zero\"} 2",
                        "dormouse_image_memory_bytes_sum{class=\"zero\"} 8.0E7",
                        "dormouse_image_memory_bytes_bucket{class=\"stored\",le=\"4000000.0\"} 0",
                        "dormouse_image_memory_bytes_bucket{class=\"stored\",le=\"1.6E7\"} 2",
                        "dormouse_image_memory_bytes_sum{class=\"duplicate\"} 4.0E7",
                        "dormouse_image_memory_bytes_sum{class=\"on disk\"} 6.0E7",
                        "dormouse_image_bytes_count 2",
                        "dormouse_suspend_given_back_bytes_count 1",
                        "dormouse_suspend_given_back_bytes_sum 1.0E8");
    }

    @Test
    void hasTheTimesUntilGuestsRanAndClientsHadFirstBytes() throws Exception {
        var metrics = new Metrics(new Engine(Home.at(folder, null)), new Activity());

        metrics.count(ended("resume", null, demands(200L, 1L)));
        metrics.count(ended("start", null, Map.of()));
        metrics.count(visit(400L, null));
        metrics.count(visit(2500L, null));
        metrics.count(visit(null, "vm web: is crashed"));

        assertThat(new String(metrics.text(), StandardCharsets.UTF_8).lines())
                .contains(
                        "# TYPE dormouse_resume_guest_runs_seconds histogram",
                        "dormouse_resume_guest_runs_seconds_bucket{le=\"0.3\"} 0",
                        "dormouse_resume_guest_runs_seconds_bucket{le=\"0.5\"} 1",
                        "dormouse_resume_guest_runs_seconds_count 1",
                        "dormouse_resume_guest_runs_seconds_sum 0.35",
                        "# TYPE dormouse_client_first_bytes_seconds histogram",
                        "dormouse_client_first_bytes_seconds_bucket{le=\"0.5\"} 1",
                        "dormouse_client_first_bytes_seconds_bucket{le=\"3.0\"} 2",
                        "dormouse_client_first_bytes_seconds_count 2",
                        "dormouse_client_first_bytes_seconds_sum 2.9");
    }

    private static Visit visit(@Nullable Long firstBytesMillis, @Nullable String error) {
        return new Visit(
                1,
                "web",
                "vnc",
                "127.0.0.1:1",
                "2026-11-30T08:00:00Z",
                firstBytesMillis,
                firstBytesMillis,
                3000,
                error);
    }

    @Test
    @Tag("qemu")
    void countsWhatTheDaemonDid() throws Exception {
        try (var fixture = new DaemonFixture(folder)) {
            fixture.engine.create(VmRequest.named("web").withMemory("64M").withVnc("unix:{runtime}/vnc"));
            fixture.send(
                    "PUT",
                    "/v1/vms/web/settings",
                    "{\"fronts\": [{\"name\": \"vnc\", \"listen\": \"0\", \"target\": \"vnc\"}]}");
            fixture.run("start", "web");
            fixture.run("suspend", "web");
            fixture.run("resume", "web");
            try (var client = new RfbClient(fixture.fronts().address("web", "vnc"))) {
                assertThat(client.screen()).isNotEmpty();
            }
            fixture.run("suspend", "web");
            awaitVisit(fixture);

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
                            "dormouse_resume_time_to_responsiveness_seconds_count 1",
                            "dormouse_capture_paused_seconds_count 2",
                            "dormouse_suspend_given_back_bytes_count 2",
                            "dormouse_image_memory_bytes_count{class=\"zero\"} 2",
                            "dormouse_client_first_bytes_seconds_count 1",
                            "dormouse_image_bytes_count 2")
                    .anyMatch(line -> line.matches("dormouse_resume_guest_runs_seconds_sum .*[1-9].*"));
        }
    }

    /// A client is counted when it has gone.
    private static void awaitVisit(DaemonFixture fixture) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (((List<?>) fixture.ok(200, "GET", "/v1/vms/web/clients").get("items")).isEmpty()) {
            assertThat(System.nanoTime() - end).isNegative();
            Thread.sleep(10);
        }
    }
}
