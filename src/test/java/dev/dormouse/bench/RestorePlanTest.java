package dev.dormouse.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.qmp.QemuVersion;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RestorePlanTest {
    private static final QemuVersion QEMU = new QemuVersion(10, 0, 2, "10.0.2");

    @TempDir
    private Path folder;

    private PaperOptions options(String... arguments) {
        return PaperOptions.parse(List.of(arguments), Path.of("qemu-10.0"), folder.resolve("samples.jsonl"));
    }

    private static Duration estimate(PaperOptions options) throws Exception {
        var plan = new RestorePlan("paper", options.restore());
        return options.workloads().stream()
                .map(workload -> plan.estimate(QEMU, workload))
                .reduce(Duration.ZERO, Duration::plus);
    }

    /// {@return the samples of these runs, as the bench writes them}
    private static List<String> samples(PaperWorkload workload, List<RestorePlan.Planned> runs) {
        var lines = new ArrayList<String>();
        for (RestorePlan.Planned run : runs) {
            lines.add(Json.write(Map.of(
                    "bench",
                    "paper",
                    "qemuVersion",
                    QEMU.full(),
                    "workload",
                    workload.text(),
                    "profile",
                    run.profile().text(),
                    "strategy",
                    run.strategy().text(),
                    "round",
                    run.round(),
                    "loaded",
                    run.loaded())));
        }
        return lines;
    }

    @Test
    void takesHoursForAllAndMinutesForAQuickLook() throws Exception {
        assertThat(estimate(options()).toHours()).isBetween(3L, 12L);
        assertThat(estimate(options("--quick")).toMinutes()).isLessThan(10);
    }

    @Test
    void knowsWhichWorkloadsTakeLongToComeToTheirState() throws Exception {
        Duration web = estimate(options("--workloads", "web"));

        for (String slow : List.of("desktop-browser", "desktop-office", "redis", "jvm")) {
            assertThat(estimate(options("--workloads", slow)).minus(web)).isGreaterThan(Duration.ofMinutes(7));
        }
    }

    @Test
    void leavesOutWhatTheSamplesHave() throws Exception {
        PaperOptions options = options("--workloads", "web,idle", "--profiles", "sata");
        List<RestorePlan.Planned> all = new RestorePlan("paper", options.restore()).runs(QEMU, PaperWorkload.WEB);
        Duration before = estimate(options);
        Path file = options.restore().output();

        Files.write(file, samples(PaperWorkload.WEB, all.subList(0, 10)));

        var plan = new RestorePlan("paper", options.restore());
        assertThat(plan.runs(QEMU, PaperWorkload.WEB)).isEqualTo(all.subList(10, all.size()));
        assertThat(plan.runs(QEMU, PaperWorkload.IDLE)).hasSameSizeAs(all);
        assertThat(before.minus(estimate(options)))
                .isEqualTo(all.getFirst().estimate().multipliedBy(10));

        Files.write(file, samples(PaperWorkload.WEB, all));

        assertThat(estimate(options)).isEqualTo(plan.estimate(QEMU, PaperWorkload.IDLE));
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"failed\":\"no such luck\"", "\"disturbed\":true"})
    void measuresAgainWhatFailedOrWasDisturbed(String what) throws Exception {
        PaperOptions options = options("--workloads", "idle");
        List<RestorePlan.Planned> all = new RestorePlan("paper", options.restore()).runs(QEMU, PaperWorkload.IDLE);

        Files.write(
                options.restore().output(),
                samples(PaperWorkload.IDLE, all).stream()
                        .map(line -> line.replace("{", "{" + what + ","))
                        .toList());

        assertThat(new RestorePlan("paper", options.restore()).runs(QEMU, PaperWorkload.IDLE))
                .isEqualTo(all);
    }
}
