package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.testkit.FaultReport;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Many cycles in one process: nothing grows, and the guests' memory, files and file systems stay whole.
///
/// `DORMOUSE_SOAK_CYCLES` (200) and `DORMOUSE_SOAK_SECONDS` (1800) say how long, `-Ddormouse.seed` repeats
/// the choices of a run; its own seed is printed.
@Tag("soak")
class SoakTest {
    private static final Duration LONG = EngineFixture.LONG;
    private static final int WARM_UP_CYCLES = 10;
    private static final int VMS = 8;
    private static final int FILE_KIBIBYTES = 512;

    @TempDir
    Path folder;

    /// What must not grow.
    private record Footprint(long descriptors, long threads, long heapBytes, long files, long layers) {
        static Footprint of(EngineFixture fixture) throws IOException, InterruptedException {
            for (int i = 0; i < 3; i++) {
                System.gc();
                TimeUnit.MILLISECONDS.sleep(100);
            }
            var threads = ManagementFactory.getThreadMXBean();
            var heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage();
            long layers = 0;
            for (String name : fixture.home.vmNames()) {
                layers = Math.max(layers, fixture.layers(name).size());
            }
            return new Footprint(
                    count(Path.of("/proc/self/fd")),
                    threads.getThreadCount(),
                    heap.getUsed(),
                    count(fixture.home.root()),
                    layers);
        }

        private static long count(Path root) throws IOException {
            try (Stream<Path> files = Files.walk(root)) {
                return files.count();
            }
        }

        void assertNotMoreThan(Footprint before) {
            assertThat(descriptors).as("descriptors").isLessThanOrEqualTo(before.descriptors + 4);
            assertThat(threads).as("threads").isLessThanOrEqualTo(before.threads + 4);
            assertThat(heapBytes).as("heap").isLessThanOrEqualTo(before.heapBytes + (32 << 20));
            assertThat(files).as("files").isLessThanOrEqualTo(before.files + 2);
            assertThat(layers).as("layers of a disk").isLessThanOrEqualTo(before.layers);
        }
    }

    private static int fromEnvironment(String name, int preset) {
        return Integer.parseInt(Objects.requireNonNullElse(System.getenv(name), Integer.toString(preset)));
    }

    @Test
    void oneVmGoesThroughManyCyclesAndNothingGrows() throws Exception {
        int cycles = fromEnvironment("DORMOUSE_SOAK_CYCLES", 200);
        try (var fixture = new EngineFixture(folder);
                var fault = FaultReport.inject("soak", cycles + " cycles of one VM")) {
            CheckpointTest.bootWithPattern(fixture);
            Footprint warm = Footprint.of(fixture);
            for (int cycle = 1; cycle <= cycles; cycle++) {
                fixture.suspend("vm1");
                fixture.resume("vm1");
                try (GuestProbe probe = fixture.probe("vm1")) {
                    probe.write("cycle", cycle, FILE_KIBIBYTES, LONG);
                    probe.check("one", 7, 256, LONG);
                }
                if (cycle == WARM_UP_CYCLES) {
                    warm = Footprint.of(fixture);
                }
            }

            Footprint end = Footprint.of(fixture);
            System.out.println("soak: after warm-up " + warm + ", at the end " + end);
            end.assertNotMoreThan(warm);
            fault.verify(() -> {
                CheckpointTest.verify(fixture, "vm1");
                try (GuestProbe probe = fixture.probe("vm1")) {
                    probe.check("cycle", cycles, FILE_KIBIBYTES, LONG);
                }
                checkFileSystem(fixture, "vm1");
                return 48 << 20;
            });
        }
    }

    @Test
    void manyVmsCycleAtRandomUnderLoad() throws Exception {
        long seed = Long.getLong("dormouse.seed", System.nanoTime());
        int seconds = fromEnvironment("DORMOUSE_SOAK_SECONDS", 1800);
        System.out.println("soak: seed " + seed);
        try (var fixture = new EngineFixture(folder);
                var fault = FaultReport.inject("soak", VMS + " VMs for " + seconds + " s")) {
            var vms = new ArrayList<RestlessVm>();
            for (int i = 0; i < VMS; i++) {
                var vm = new RestlessVm(
                        fixture, "vm" + i, RandomGeneratorFactory.getDefault().create(seed + i));
                vm.boot();
                vms.add(vm);
            }
            cycle(vms, TimeUnit.SECONDS.toNanos(seconds) / 10);
            Footprint warm = Footprint.of(fixture);
            cycle(vms, TimeUnit.SECONDS.toNanos(seconds));

            Footprint end = Footprint.of(fixture);
            System.out.println("soak: after warm-up " + warm + ", at the end " + end);
            end.assertNotMoreThan(warm);
            fault.verify(() -> {
                long bytes = 0;
                for (RestlessVm vm : vms) {
                    bytes += vm.verify();
                    checkFileSystem(fixture, vm.name);
                }
                return bytes;
            });
        }
    }

    private static void cycle(List<RestlessVm> vms, long nanos) throws Exception {
        long end = System.nanoTime() + nanos;
        try (ExecutorService threads = Executors.newFixedThreadPool(vms.size())) {
            var all = vms.stream()
                    .map(vm -> CompletableFuture.runAsync(() -> vm.cycleUntil(end), threads))
                    .toArray(CompletableFuture[]::new);
            CompletableFuture.allOf(all).get();
        }
    }

    /// A VM that is put away and woken at random moments, and writes in between.
    private static final class RestlessVm {
        private static final int FILES = 8;
        private final EngineFixture fixture;
        private final String name;
        private final RandomGenerator random;
        private final long[] fileSeeds = new long[FILES]; // Zero of a file that was not written yet.

        RestlessVm(EngineFixture fixture, String name, RandomGenerator random) {
            this.fixture = fixture;
            this.name = name;
            this.random = random;
        }

        void boot() throws Exception {
            fixture.boot(fixture.request(name).withMemory("192M"));
            try (GuestProbe probe = fixture.probe(name)) {
                probe.fill("pattern", name.hashCode(), 24, 50, LONG);
            }
            fixture.suspend(name); // Whatever is made once is made then.
            fixture.resume(name);
        }

        void cycleUntil(long endNanos) {
            try {
                while (System.nanoTime() - endNanos < 0) {
                    if (random.nextInt(4) == 0) {
                        ResumeOptions options = random.nextBoolean() ? ResumeOptions.DEFAULT : eager();
                        fixture.suspend(name);
                        TimeUnit.MILLISECONDS.sleep(random.nextInt(500));
                        fixture.engine.resume(name, options, OperationListener.NONE);
                    } else {
                        useFiles();
                    }
                }
            } catch (Exception e) {
                throw new AssertionError(name, e);
            }
        }

        private static ResumeOptions eager() {
            return ResumeOptions.DEFAULT.withEager(true);
        }

        private void useFiles() throws Exception {
            int file = random.nextInt(FILES);
            try (GuestProbe probe = fixture.probe(name)) {
                if (fileSeeds[file] != 0) {
                    probe.check("file" + file, fileSeeds[file], FILE_KIBIBYTES, LONG);
                }
                fileSeeds[file] = random.nextLong(1, 1L << 40);
                probe.write("file" + file, fileSeeds[file], FILE_KIBIBYTES, LONG);
            }
        }

        long verify() throws Exception {
            try (GuestProbe probe = fixture.probe(name)) {
                long bytes = probe.verify("pattern", LONG);
                for (int file = 0; file < FILES; file++) {
                    if (fileSeeds[file] != 0) {
                        probe.check("file" + file, fileSeeds[file], FILE_KIBIBYTES, LONG);
                        bytes += FILE_KIBIBYTES << 10;
                    }
                }
                return bytes;
            }
        }
    }

    /// Turns the VM off and has its file system checked, after the journal was replayed as a boot would.
    private static void checkFileSystem(EngineFixture fixture, String name) throws Exception {
        try (GuestProbe probe = fixture.probe(name)) {
            probe.powerOff(LONG);
        }
        InterruptionTest.await("the guest is off", () -> fixture.state(name).equals("stopped"));
        assertThat(fixture.layers(name)).containsExactly(name + ".raw");
        String disk = fixture.folder.resolve(name + ".raw").toString();
        var replay = Command.tryRun(List.of("e2fsck", "-y", "-E", "journal_only", disk), LONG);
        assertThat(replay.exitCode()).as("replaying the journal").isLessThanOrEqualTo(1); // 1: there was one.
        Command.run(List.of("e2fsck", "-f", "-n", disk), LONG); // Fails unless nothing is wrong.
    }
}
