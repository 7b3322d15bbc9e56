package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import dev.dormouse.engine.VmRequest.NetworkRequest;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.restore.BackgroundOptions;
import dev.dormouse.restore.RestoreOptions;
import dev.dormouse.restore.WorkingSet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A guest that runs where nobody sees it, to learn what it touches.
@Tag("qemu")
@Timeout(240)
class RehearsalTest {
    @TempDir
    Path folder;

    @Test
    void teachesWhatTheGuestTouchesAndLeavesNothing() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            working(fixture);
            fixture.suspend("vm1");
            VmRecord suspended = fixture.record("vm1");
            Map<String, Long> disks = checksums(fixture);

            assertThat(fixture.engine.isToBeRehearsed("vm1")).isTrue();
            Files.writeString(copies(fixture), "left by somebody");

            RehearsalResult result = rehearse(fixture);

            assertThat(fixture.engine.isToBeRehearsed("vm1")).isFalse();
            assertThat(result.demandedPages()).isBetween(1_000L, result.nonZeroPages() / 2);
            assertThat(result.workingSetPages()).isEqualTo(result.demandedPages());
            assertThat(result.wantedShare()).isLessThan(0.5);
            assertThat(fixture.record("vm1")).isEqualTo(suspended);
            assertThat(checksums(fixture)).isEqualTo(disks);
            assertThat(isLeft(fixture)).isFalse();
            assertThat(result.copiedPages())
                    .as("hardly a page of this guest's disk compresses")
                    .isLessThan(100);
            assertThat(copies(fixture).toFile().length())
                    .as("what was left is gone")
                    .isEqualTo(result.copiesBytes());
            Files.writeString(copies(fixture), "damaged, so nobody reads it");
            assertThat(new WorkingSetFile(fixture.vm("vm1")).read().map(WorkingSet::size))
                    .contains((int) result.workingSetPages());

            var gentle = new AtomicBoolean();
            ResumeResult resumed = fixture.engine.resume("vm1", setFirst(), new OperationListener() {
                @Override
                public void gentle() {
                    gentle.set(true);
                }

                @Override
                public boolean hurry() {
                    return gentle.get(); // The rest would take its time.
                }
            });

            assertThat(gentle).isTrue();
            assertThat(copies(fixture)).as("they go with the image").doesNotExist();

            assertThat(resumed.report().workingSetPages() + resumed.report().pagesBeforeRun())
                    .isGreaterThan(result.workingSetPages() / 2);
            assertThat(resumed.report().demandedPages()).isLessThan(result.demandedPages() / 2);
            try (GuestProbe probe = fixture.probe("vm1")) {
                probe.verify("pattern", EngineFixture.LONG);
            }
        }
    }

    /// Without a limit everything would be there before this small guest runs.
    private static ResumeOptions setFirst() {
        BackgroundOptions limited = BackgroundOptions.DEFAULT.withRateBytesPerSecond(1L << 40);
        return new ResumeOptions(false, false, false, RestoreOptions.DEFAULT.withBackground(limited));
    }

    @Test
    void isBrokenOffByAnyOtherOperation() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            working(fixture);
            fixture.suspend("vm1");
            var rehearsal = new FutureTask<>(() -> rehearse(fixture));
            Thread.ofPlatform().daemon().start(rehearsal);
            awaitQemu(fixture);

            fixture.resume("vm1");

            assertThatThrownBy(() -> rehearsal.get(1, TimeUnit.MINUTES))
                    .isInstanceOf(ExecutionException.class)
                    .hasMessageContaining("vm vm1: its rehearsal was broken off, nothing was learnt");
            assertThat(fixture.state("vm1")).isEqualTo("running");
            assertThat(isLeft(fixture)).isFalse();
            assertThatThrownBy(() -> rehearse(fixture))
                    .hasMessage("vm vm1: not suspended, only a suspended VM can be rehearsed");
        }
    }

    /// Its process is killed, so that its QEMU has nobody any more.
    @Test
    void isEndedByWhoeverComesNext() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            working(fixture);
            fixture.suspend("vm1");
            QemuProcess qemu;
            try (ChildEngine child = ChildEngine.start(fixture.home.root(), "rehearse", "vm1")) {
                qemu = awaitQemu(fixture);
                child.kill();
            }
            assertThat(qemu.isAlive()).isTrue();
            assertThat(outOfMemoryScore(Long.toString(qemu.pid())))
                    .as("goes before us when memory is short")
                    .isGreaterThan(outOfMemoryScore("self"));
            assertThat(fixture.engine.neglect("vm1")).isEqualTo(Neglect.CUT_OFF);

            assertThat(fixture.engine.settleCutOff("vm1")).isTrue();

            InterruptionTest.await("its QEMU is gone", () -> !qemu.isAlive());
            assertThat(isLeft(fixture)).isFalse();
            assertThat(fixture.engine.neglect("vm1")).isEqualTo(Neglect.NONE);
            fixture.resume("vm1");
        }
    }

    private static int outOfMemoryScore(String process) throws IOException {
        return Integer.parseInt(
                Files.readString(Path.of("/proc", process, "oom_score_adj")).strip());
    }

    @Test
    void isRefusedWhereTheGuestCouldReachSomething() throws Exception {
        try (var fixture = new EngineFixture(folder)) {
            VmRequest request = fixture.request("vm1");
            var arguments = new ArrayList<>(request.extraArguments());
            arguments.addAll(List.of("-chardev", "socket,id=out,path=/run/somebody,server=on,wait=off"));
            fixture.boot(request.withExtraArguments(arguments));
            fixture.suspend("vm1");

            assertThat(fixture.engine.isToBeRehearsed("vm1")).isFalse();
            assertThatThrownBy(() -> rehearse(fixture))
                    .hasMessage("vm vm1: its extra argument '-chardev socket,id=out,path=/run/somebody,server=on,"
                            + "wait=off' may lead out of the VM, so it is not rehearsed");
        }
    }

    private static Path copies(EngineFixture fixture) throws Exception {
        return fixture.vm("vm1").folder().resolve(Home.WORKING_SET_COPIES);
    }

    private static void working(EngineFixture fixture) throws Exception {
        fixture.boot(GuestVm.request(fixture.guest, "vm1", "384M")
                .withNetworks(List.of(new NetworkRequest("user", null, null, null))));
        try (GuestProbe probe = fixture.probe("vm1")) {
            probe.fill("pattern", 7, 96, 50, EngineFixture.LONG);
            probe.work(16, EngineFixture.LONG);
        }
    }

    /// {@return of all layers of its own}
    private static Map<String, Long> checksums(EngineFixture fixture) throws Exception {
        var result = new TreeMap<String, Long>();
        for (String file : fixture.diskFiles("vm1")) {
            var checksum = new CRC32C();
            checksum.update(
                    Files.readAllBytes(fixture.home.vm("vm1").resolve("disks").resolve(file)));
            result.put(file, checksum.getValue());
        }
        return result;
    }

    private static RehearsalResult rehearse(EngineFixture fixture) throws Exception {
        return fixture.engine.rehearse("vm1", OperationListener.NONE, new Cancellation());
    }

    private static boolean isLeft(EngineFixture fixture) throws Exception {
        return Rehearsal.isLeft(fixture.vm("vm1"))
                || Files.exists(fixture.vm("vm1").sockets().runtime().resolve("r"));
    }

    private static QemuProcess awaitQemu(EngineFixture fixture) throws Exception {
        Vm vm = fixture.vm("vm1");
        Path sockets = vm.sockets().runtime().resolve("r");
        var own = new VmSockets(sockets, vm.folder());
        InterruptionTest.await(
                "the QEMU of the rehearsal",
                () -> Files.exists(own.migration()) && Standby.ofPidFile(own).isPresent());
        return Standby.ofPidFile(own).orElseThrow();
    }
}
