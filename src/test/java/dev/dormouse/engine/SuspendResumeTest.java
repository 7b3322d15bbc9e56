package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.restore.RestoreOptions;
import dev.dormouse.restore.RestoreReport;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What a user relies on: the guest's own proof that nothing of its memory and its files was lost. The
/// kinds of VM are chosen so that every disk, machine, CPU count and memory occurs with both versions of QEMU.
@Tag("qemu")
class SuspendResumeTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final long PATTERN_BYTES = 96 << 20;

    @TempDir
    Path folder;

    @ParameterizedTest(name = "{0} disk, {1}, {2} CPUs, {3} memory, QEMU {4}")
    @CsvSource({
        "raw,    q35, 1, anonymous, 7.2",
        "qcow2,  pc,  2, anonymous, 7.2",
        "golden, q35, 2, memfd,     7.2",
        "golden, pc,  1, anonymous, 10.0",
        "raw,    pc,  2, memfd,     10.0",
        "qcow2,  q35, 2, anonymous, 10.0",
        "qcow2,  q35, 1, shared,    7.2",
        "golden, q35, 2, shared,    10.0",
        "raw,    pc,  2, shared,    10.0"
    })
    void theGuestFindsItsMemoryAndFilesIntact(String disk, String machine, int cpus, String memory, String version)
            throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.boot(
                    request(fixture, disk).withMachine(machine).withCpus(cpus).withMemoryBackend(memory));
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.fill("a", 42, 96, 50, LONG);
                probe.write("one", 7, 512, LONG);
            }

            SuspendResult suspended = fixture.suspend("vm1");
            assertThat(fixture.state("vm1")).isEqualTo("suspended");
            assertThat(suspended.direct()).isEqualTo(isDirect(memory, version));
            assertThat(suspended.nonZeroBytes()).isBetween(PATTERN_BYTES, suspended.memoryBytes());
            ResumeResult resumed = fixture.resume("vm1");

            assertThat(resumed.runningMillis()).as("lazily").isLessThan(resumed.completeMillis());
            tellsWhenTheGuestHardlyWaitedAnyMore(resumed);
            assertThat(fixture.state("vm1")).isEqualTo("running");
            assertThat(fixture.leftovers()).isEmpty();
            try (GuestProbe probe = fixture.probe("vm1")) {
                assertThat(probe.verify("a", LONG)).isEqualTo(PATTERN_BYTES);
                probe.check("one", 7, 512, LONG);
                assertThat(probe.info(LONG).cpus()).isEqualTo(cpus);
            }
        }
    }

    private static void tellsWhenTheGuestHardlyWaitedAnyMore(ResumeResult resumed) {
        RestoreReport report = resumed.report();
        assertThat(report.responsiveMillisEstimate()).isBetween(resumed.runningMillis(), resumed.mergedMillis());
        long demands = report.demandLatencies().stream()
                .mapToLong(RestoreReport.DemandCount::demands)
                .sum();
        assertThat(demands).isEqualTo(report.demandedPages() + report.demandedZeroPages());
    }

    @ParameterizedTest(name = "{0} memory, QEMU {1}")
    @CsvSource({"anonymous, 7.2", "anonymous, 10.0", "memfd, 10.0"})
    void aGuestThatWantsAllOfItsMemoryGetsItBeforeItRuns(String memory, String version) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.boot(request(fixture, "golden").withCpus(2).withMemoryBackend(memory));
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.fill("a", 42, 96, 50, LONG);
            }
            fixture.suspend("vm1");
            var always = RestoreOptions.DEFAULT.withEarly(RestoreOptions.Early.EVERYTHING);

            ResumeResult resumed = fixture.engine.resume(
                    "vm1", new ResumeOptions(false, false, false, always), OperationListener.NONE);

            RestoreReport report = resumed.report();
            boolean full = memory.equals("anonymous"); // A small page cannot be taken out of any other huge one.
            assertThat(report.pagesBeforeRun() > report.nonZeroPages() * 0.9).isEqualTo(full);
            assertThat(report.pagesWritten() > report.nonZeroPages() * 0.8).isEqualTo(full);
            try (GuestProbe probe = fixture.probe("vm1")) {
                assertThat(probe.verify("a", LONG)).isEqualTo(PATTERN_BYTES);
            }
            fixture.suspend("vm1");
            fixture.resume("vm1");
            try (GuestProbe probe = fixture.probe("vm1")) {
                assertThat(probe.verify("a", LONG)).isEqualTo(PATTERN_BYTES);
            }
        }
    }

    @ParameterizedTest(name = "{0} memory, QEMU {1}")
    @CsvSource({"anonymous, 7.2", "anonymous, 10.0", "memfd, 7.2", "shared, 10.0"})
    void anEagerResumeIsWrittenWhereTheMemoryIsAnonymous(String memory, String version) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.boot(request(fixture, "golden").withCpus(2).withMemoryBackend(memory));
            for (int generation = 1; generation <= 2; generation++) {
                try (GuestProbe probe = fixture.probe("vm1")) {
                    probe.fill("r" + generation, generation, 48, 50, LONG);
                }
                fixture.suspend("vm1");

                ResumeResult resumed =
                        fixture.engine.resume("vm1", ResumeOptions.DEFAULT.withEager(true), OperationListener.NONE);

                RestoreReport report = resumed.report();
                assertThat(report.pagesBeforeRun()).isEqualTo(report.nonZeroPages());
                assertThat(report.responsiveMillisEstimate()).isEqualTo(resumed.runningMillis());
                assertThat(report.pagesWritten() > report.nonZeroPages() * 0.9).isEqualTo(memory.equals("anonymous"));
                assertThat(report.pagesWritten()).isLessThan(report.nonZeroPages());
                try (GuestProbe probe = fixture.probe("vm1")) {
                    for (int earlier = 1; earlier <= generation; earlier++) {
                        assertThat(probe.verify("r" + earlier, LONG)).isEqualTo(48 << 20);
                    }
                }
            }
        }
    }

    private static boolean isDirect(String memory, String version) {
        return memory.equals("shared") || (memory.equals("memfd") && version.equals("7.2"));
    }

    private static VmRequest request(EngineFixture fixture, String disk) throws IOException {
        return switch (disk) {
            case "raw" -> fixture.request("vm1");
            case "qcow2" -> {
                Path file = fixture.asQcow2(fixture.smallDisk("vm1"));
                yield fixture.request("vm1").withDisks(List.of(new DiskRequest(file.toString(), null, null)));
            }
            default -> GuestVm.request(fixture.guest, "vm1", "384M");
        };
    }

    @ParameterizedTest(name = "{1} memory, QEMU {0}")
    @CsvSource({"7.2, anonymous", "10.0, anonymous", "7.2, shared", "10.0, shared"})
    void threeGenerationsInARowKeepAllOfTheEarlierOnes(String version, String memory) throws Exception {
        try (var fixture = new EngineFixture(folder, EngineFixture.qemu(version))) {
            fixture.boot(fixture.request("vm1").withMemoryBackend(memory));
            for (int generation = 1; generation <= 3; generation++) {
                try (GuestProbe probe = fixture.probe("vm1")) {
                    probe.fill("r" + generation, generation, 24, 50, LONG);
                    probe.write("f" + generation, generation, 256, LONG);
                }
                fixture.suspend("vm1");
                fixture.resume("vm1");
                verifyGenerations(fixture, generation);
                assertThat(fixture.home.imageIds()).isEmpty();
                assertThat(fixture.layers("vm1")).isEqualTo(layersWhileRunning(fixture, generation));
                assertThat(fixture.diskFiles("vm1")).isEqualTo(overlays(fixture.layers("vm1")));
            }

            fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);

            assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");
            assertThat(fixture.diskFiles("vm1")).isEmpty();
            fixture.start("vm1");
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.check("f1", 1, 256, LONG);
                probe.check("f3", 3, 256, LONG);
            }
        }
    }

    private static void verifyGenerations(EngineFixture fixture, int last) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            for (int generation = 1; generation <= last; generation++) {
                assertThat(probe.verify("r" + generation, LONG)).isEqualTo(24 << 20);
                probe.check("f" + generation, generation, 256, LONG);
            }
        }
    }

    /// Merged back at once where a live merge is safe, else when the VM is stopped.
    private static List<String> layersWhileRunning(EngineFixture fixture, int generation) throws IOException {
        List<String> all = List.of("vm1.raw", "disk0-1.qcow2", "disk0-2.qcow2", "disk0-3.qcow2");
        boolean merged = Merge.isLiveCommitSafe(fixture.engine.tools().qemu().version());
        return all.subList(0, merged ? 1 : generation + 1);
    }

    private static List<String> overlays(List<String> layers) {
        return layers.stream().filter(layer -> layer.startsWith("disk0-")).toList();
    }
}
