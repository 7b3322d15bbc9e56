package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.storage.Storage;
import dev.dormouse.testkit.FaultReport;
import dev.dormouse.testkit.Leftovers;
import dev.dormouse.testkit.LoopMount;
import dev.dormouse.testkit.RecordedDevice;
import dev.dormouse.testkit.RecordedDevice.Mark;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The machine dies while a VM is suspended, resumed, written by its guest and merged, and what QEMU writes counts,
/// too:
/// home and disk lie on a file system of their own, on a device that records every write and flush. For each flush the
/// device is made again as it was then, and a machine is started from it: the VM is in a resting state, the disk that
/// it boots from passes a check of its file system, and holds each file that the guest had synced by then.
@Timeout(3600)
abstract class RecordedWritesContract {
    private static final Duration LONG = EngineFixture.LONG;
    private static final long DEVICE_BYTES = 384L << 20;
    private static final int FILE_KIBIBYTES = 512;

    @TempDir
    Path folder;

    private Path mountPoint;
    private final List<Promise> promises = new ArrayList<>();
    private final RestingVms rest = new RestingVms();
    private final List<String> states = new ArrayList<>();
    private int booted;

    /// {@return the versions of QEMU}
    static List<String> versions() {
        return List.of("7.2", "10.0");
    }

    /// {@return how many of the flushes are looked at}
    abstract int marks();

    /// {@return how often one of these machines boots or resumes its VM, 1 for all}
    abstract int bootEvery();

    /// From this position of the log on, a file is on the disk that the VM boots from.
    private record Promise(long position, String file, int seed) {}

    @ParameterizedTest(name = "QEMU {0}")
    @MethodSource("versions")
    void everyFlushLeavesWhatAMachineCanStartFrom(String version) throws Exception {
        Path device = folder.resolve("device");
        mountPoint = folder.resolve("machine");
        LoopMount.format(device, DEVICE_BYTES);
        long start;
        long end;
        RecordedDevice recorded = RecordedDevice.over(device);
        try (recorded;
                var _ = LoopMount.mount(device, mountPoint);
                var fixture = new EngineFixture(mountPoint, EngineFixture.qemu(version))) {
            fixture.boot(fixture.request("vm1").withMemory("192M"));
            write(fixture, recorded, "early", 1);
            start = recorded.position();
            live(fixture, recorded);
            end = recorded.position();
        }
        replay(recorded, start, end, version);
    }

    /// What the machine does until it dies.
    private void live(EngineFixture fixture, RecordedDevice recorded) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.fill("pattern", 42, 8, 50, LONG);
        }
        fixture.suspend("vm1");
        var written = new CompletableFuture<Void>();
        fixture.engine.resume("vm1", ResumeOptions.DEFAULT, new OperationListener() {
            @Override
            public void running() {
                writeInBackground(fixture, recorded, written);
            }
        });
        written.get(2, TimeUnit.MINUTES);
        write(fixture, recorded, "last", 9);
        fixture.engine.stop("vm1", true, LONG, OperationListener.NONE); // Merges what could not be merged before.
        assertThat(fixture.layers("vm1")).containsExactly("vm1.raw");
    }

    /// While pages arrive and the overlay is merged.
    private void writeInBackground(EngineFixture fixture, RecordedDevice recorded, CompletableFuture<Void> written) {
        Thread.ofPlatform().daemon().start(() -> {
            try {
                for (int i = 2; i < 6; i++) {
                    write(fixture, recorded, "late" + i, i);
                }
                written.complete(null);
            } catch (Exception e) {
                written.completeExceptionally(e);
            }
        });
    }

    private void write(EngineFixture fixture, RecordedDevice recorded, String file, int seed) throws Exception {
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.write(file, seed, FILE_KIBIBYTES, LONG);
        }
        promises.add(new Promise(recorded.position(), file, seed));
    }

    private void replay(RecordedDevice recorded, long start, long end, String version) throws Exception {
        List<Mark> all = recorded.marks(start).stream()
                .filter(mark -> mark.position() <= end)
                .toList();
        assertThat(all).hasSizeGreaterThan(20);
        int step = Math.ceilDiv(all.size(), marks());
        try (RecordedDevice.Replay replay = recorded.replay()) {
            for (int i = (all.size() - 1) % step; i < all.size(); i += step) {
                replay.copyTo(folder.resolve("trial"), all.get(i));
                try (FaultReport.Fault fault = FaultReport.inject("machine died", "flush, QEMU " + version)) {
                    Mark mark = all.get(i);
                    boolean boots = states.size() % bootEvery() == bootEvery() / 2;
                    fault.verify(() -> startMachine(version, mark, boots));
                } catch (Exception | AssertionError e) {
                    throw new AssertionError(
                            "flush %d of %d, %s: %s".formatted(i + 1, all.size(), states, e.getMessage()), e);
                }
            }
        }
        System.out.printf(
                "QEMU %s: %d flushes, %d machines started, %d VMs booted or resumed, %d files promised: %s%n",
                version, all.size(), states.size(), booted, promises.size(), states);
        assertThat(states).isSortedAccordingTo((a, b) -> order(a) - order(b));
        assertThat(states.getLast()).isEqualTo("stopped");
    }

    private static int order(String state) {
        return List.of("running", "suspended", "crashed", "stopped").indexOf(state);
    }

    private long startMachine(String version, Mark mark, boolean boots) throws Exception {
        try (var _ = LoopMount.mount(folder.resolve("trial"), mountPoint);
                var fixture = new EngineFixture(mountPoint, EngineFixture.qemu(version))) {
            long bytes = rest.assertRest(fixture.engine);
            String state = fixture.state("vm1");
            // Before its suspend the VM was running, of which a dead machine makes a stopped one, too.
            states.add(state.equals("stopped") && !states.contains("suspended") ? "running" : state);
            bytes += checkDisk(fixture, mark);
            if (boots) {
                booted++;
                bytes += boot(fixture, state, mark);
            }
            return bytes;
        }
    }

    private List<Promise> due(Mark mark) {
        return promises.stream()
                .filter(promise -> promise.position() <= mark.position())
                .toList();
    }

    /// {@return the bytes that were compared}
    private long checkDisk(EngineFixture fixture, Mark mark) throws IOException {
        BackingChain chain = RestingVms.newest(fixture.engine, "vm1");
        Layer top = chain.top();
        Path disk = folder.resolve("disk.raw");
        Command.run(
                List.of(
                        fixture.engine.tools().qemu().imageTool().toString(),
                        "convert",
                        "-f",
                        top.format().qemuName(),
                        "-O",
                        "raw",
                        top.path(),
                        disk.toString()),
                LONG);
        var journal = Command.tryRun(List.of("e2fsck", "-y", "-E", "journal_only", disk.toString()), LONG);
        assertThat(journal.exitCode()).as("replaying the journal").isLessThanOrEqualTo(1); // 1: there was one.
        Command.run(List.of("e2fsck", "-f", "-n", disk.toString()), LONG); // Fails unless nothing is wrong.
        long bytes = 0;
        for (Promise promise : due(mark)) {
            Path file = folder.resolve("dumped");
            Files.deleteIfExists(file);
            Command.run(List.of("debugfs", "-R", "dump " + promise.file + " " + file, disk.toString()), LONG);
            assertThat(Files.exists(file)).as("%s in %s", promise.file, chain).isTrue();
            bytes += SeededFile.check(file, promise.seed, FILE_KIBIBYTES);
        }
        return bytes;
    }

    /// Lets the guest itself compare its files, by the rule of the state.
    ///
    /// @return the bytes that it compared
    private long boot(EngineFixture fixture, String state, Mark mark) throws Exception {
        if (state.equals("suspended")) {
            fixture.resume("vm1");
        } else {
            fixture.start("vm1");
        }
        long bytes = 0;
        try (GuestProbe probe = GuestVm.connect(fixture.home, "vm1", LONG)) {
            if (state.equals("suspended")) {
                bytes += probe.verify("pattern", LONG);
            }
            for (Promise promise : due(mark)) {
                probe.check(promise.file, promise.seed, FILE_KIBIBYTES, LONG);
                bytes += FILE_KIBIBYTES << 10;
            }
        }
        Leftovers.end(mountPoint, Duration.ZERO);
        Removal.deleteFolder(Storage.fileSystem(), fixture.home.runtime());
        return bytes;
    }
}
