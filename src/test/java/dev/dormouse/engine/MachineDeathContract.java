package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.VmRequest.DiskRequest;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.storage.Storage;
import dev.dormouse.testkit.FaultReport;
import dev.dormouse.testkit.FaultyDisk;
import dev.dormouse.testkit.Leftovers;
import dev.dormouse.testkit.PowerCut;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.io.TempDir;

/// The machine dies at each step of each operation, with a real QEMU that has no guest: what was not forced is
/// lost, kept, or torn, and when it starts again each VM is in a resting state, with the old image or the new
/// one whole. Once the operation has returned only its outcome counts, whatever was lost.
abstract class MachineDeathContract {
    private static final Duration LONG = EngineFixture.LONG;
    private static final String GONE = "gone";

    @TempDir
    Path folder;

    private FaultyDisk disk;
    private EngineFixture fixture;
    private Vm vm;
    private String operation = "";
    private final RestingVms rest = new RestingVms();
    private int restarts;

    /// {@return how many ways of losing things are tried after a step: 0 leaves it out, 1 loses all that was not
    /// forced}
    abstract int seeds(int step);

    /// {@return how many of the suspended VMs that a cut leaves are resumed}
    abstract int resumes();

    /// What is so after a restart.
    private interface Check {
        void run(Engine engine) throws Exception;
    }

    @BeforeEach
    void start(TestInfo test) throws Exception {
        operation = test.getTestMethod().orElseThrow().getName();
        disk = new FaultyDisk(folder);
        fixture = new EngineFixture(folder, null, disk);
        Path file = folder.resolve("disk.raw");
        try (var raw = new RandomAccessFile(file.toFile(), "rw")) {
            raw.setLength(1 << 20);
        }
        fixture.engine.create(VmRequest.named("vm1")
                .withMemory("16M")
                .withExtraArguments(List.of("-sandbox", "off")) // One of the tests saves through "exec:".
                .withDisks(List.of(new DiskRequest(file.toString(), null, null))));
        fixture.engine.start("vm1", false);
        vm = fixture.vm("vm1");
    }

    @AfterEach
    void end() throws IOException {
        fixture.close();
    }

    @Test
    void aSuspend() throws Exception {
        disk.record();
        fixture.suspend("vm1");

        List<PowerCut> cuts = machineDies();
        assertStates(cuts, "vm1", List.of("stopped", "suspended"), _ -> {});
    }

    @Test
    void aCheckpoint() throws Exception {
        disk.record();
        String image = fixture.checkpoint("vm1").image();

        List<PowerCut> cuts = machineDies();
        assertStates(cuts, "vm1", List.of("stopped"), engine -> {
            for (String id : engine.images().ids()) {
                RestingVms.assertSound(engine, id);
            }
        });
        assertAfterLast(cuts, engine -> assertThat(engine.images().ids()).containsExactly(image));
    }

    /// Reads the memory back, drops the image and merges the overlay, which the guest has written and flushed.
    @Test
    void aResumeWithItsMerge() throws Exception {
        fixture.suspend("vm1");
        var written = new int[1];
        disk.record();
        fixture.engine.resume("vm1", ResumeOptions.DEFAULT, onRunning(() -> {
            write(7);
            written[0] = cutCount();
        }));

        List<PowerCut> cuts = machineDies();
        assertStates(cuts, "vm1", List.of("suspended", "crashed", "stopped"), _ -> {});
        assertThat(written[0]).isPositive();
        everyRestart(cuts.subList(written[0], cuts.size()), engine -> assertNewestDiskHolds(engine, 7));
        assertAfterLast(cuts, engine -> {
            assertThat(layers(engine)).containsExactly("disk.raw");
            assertThat(engine.images().ids()).isEmpty();
        });
    }

    @Test
    void aResumeThatKeepsItsImage() throws Exception {
        String image = fixture.suspend("vm1").image();
        disk.record();
        fixture.engine.resume("vm1", ResumeOptions.DEFAULT.withKeepImage(true), onRunning(() -> write(7)));

        List<PowerCut> cuts = machineDies();
        assertStates(cuts, "vm1", List.of("suspended", "crashed", "stopped"), engine -> {
            assertThat(engine.images().ids()).containsExactly(image);
            RestingVms.assertSound(engine, image);
        });
        assertAfterLast(cuts, engine -> assertNewestDiskHolds(engine, 7));
    }

    @Test
    void aMergeWhileTheVmIsStopped() throws Exception {
        String image = fixture.checkpoint("vm1").image();
        write(7);
        fixture.engine.images().remove(image);
        disk.record();
        fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);

        List<PowerCut> cuts = machineDies();
        assertStates(cuts, "vm1", List.of("stopped"), engine -> assertNewestDiskHolds(engine, 7));
        assertAfterLast(cuts, engine -> assertThat(layers(engine)).containsExactly("disk.raw"));
    }

    @Test
    void anImport() throws Exception {
        Path stream = folder.resolve("saved");
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), LONG, fixture.process("vm1"))) {
            qmp.execute("stop");
            var migrations = new Migrations(qmp);
            migrations.startOutgoing("exec:cat > " + stream);
            migrations.awaitCompleted(LONG);
        }
        fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);
        disk.record();
        fixture.engine.importStream(stream, "vm1", OperationListener.NONE, new Cancellation());

        assertStates(machineDies(), "vm1", List.of("stopped", "suspended"), _ -> {});
    }

    @Test
    void aRestoreAsAnotherVm() throws Exception {
        String image = fixture.suspend("vm1").image();
        disk.record();
        fixture.engine.restoreAs(image, "vm2");

        List<PowerCut> cuts = machineDies();
        assertStates(cuts, "vm2", List.of(GONE, "suspended"), _ -> {});
        everyRestart(cuts, engine -> assertThat(state(engine, "vm1")).isEqualTo("suspended"));
    }

    @Test
    void aRemoval() throws Exception {
        fixture.suspend("vm1");
        disk.record();
        fixture.engine.remove("vm1", true);

        assertStates(machineDies(), "vm1", List.of("suspended", GONE), _ -> {});
    }

    @Test
    void aRemovalOfAnImage() throws Exception {
        String image = fixture.checkpoint("vm1").image();
        disk.record();
        fixture.engine.images().remove(image);

        List<PowerCut> cuts = machineDies();
        assertStates(cuts, "vm1", List.of("stopped"), _ -> {});
        assertAfterLast(cuts, engine -> assertThat(engine.images().ids()).isEmpty());
    }

    @Test
    void aStartThatDiscardsTheMemory() throws Exception {
        fixture.suspend("vm1");
        disk.record();
        fixture.engine.start("vm1", true);

        assertStates(machineDies(), "vm1", List.of("suspended", "stopped"), _ -> {});
    }

    @Test
    void aReturnOfACrashedVmToItsImage() throws Exception {
        String image = fixture.suspend("vm1").image();
        Path overlay = Path.of(vm.record().overlays().getFirst().path());
        vm.enter(VmState.CRASHED, vm.record());
        qemuIo("write -P 7 0 64k", overlay, "qcow2");
        disk.record();
        new Start(fixture.home, fixture.engine.tools(), vm).setChangesAside(OperationListener.NONE);

        List<PowerCut> cuts = machineDies();
        assertStates(cuts, "vm1", List.of("crashed", "suspended"), engine -> {
            assertThat(engine.images().ids()).containsExactly(image);
            engine.collectGarbage(false, OperationListener.NONE);
            assertOneHolds(overlay, 7);
        });
    }

    @Test
    void theCreationOfAVm() throws Exception {
        Path golden = folder.resolve("golden.raw");
        Files.write(golden, new byte[1 << 20]);
        disk.record();
        fixture.engine.create(VmRequest.named("vm2")
                .withMemory("16M")
                .withDisks(List.of(new DiskRequest(null, golden.toString(), null))));

        assertStates(machineDies(), "vm2", List.of(GONE, "stopped"), _ -> {});
    }

    /// Whatever the state is: what the guest wrote is there, under its name or aside.
    private void assertOneHolds(Path overlay, int pattern) throws IOException {
        String own = overlay.getFileName().toString();
        List<String> names = EngineFixture.fileNames(overlay.getParent()).stream()
                .filter(name -> name.startsWith(own))
                .toList();
        assertThat(names).isNotEmpty();
        for (String name : names) { // Both, where the file system keeps both.
            String said = qemuIo("read -P %d 0 64k".formatted(pattern), overlay.resolveSibling(name), "qcow2");
            assertThat(said).as(name).doesNotContain("verification failed");
        }
    }

    private OperationListener onRunning(ThrowingAction action) {
        return new OperationListener() {
            @Override
            public void running() {
                try {
                    action.run();
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
        };
    }

    private interface ThrowingAction {
        void run() throws IOException;
    }

    /// As a guest does that writes and flushes.
    private void write(int pattern) throws IOException {
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmpOutOfBand(), LONG, fixture.process("vm1"))) {
            hmp(qmp, "write -P %d 0 64k".formatted(pattern));
            hmp(qmp, "flush");
        }
        disk.force(folder.resolve("home/vms/vm1/disks/disk0-1.qcow2"));
    }

    /// Through the device, so that it is as if the guest did it.
    static void hmp(QmpClient qmp, String command) throws IOException {
        String line = "qemu-io -d /machine/peripheral/disk0/virtio-backend \"%s\"".formatted(command);
        assertThat(String.valueOf(qmp.executeForAny("human-monitor-command", Map.of("command-line", line), LONG)))
                .doesNotContainIgnoringCase("error")
                .doesNotContainIgnoringCase("fail");
    }

    private int cutCount() {
        return disk.cutCount();
    }

    /// {@return what is left of the operation that has ended}
    private List<PowerCut> machineDies() throws Exception {
        List<PowerCut> cuts = disk.cuts();
        Leftovers.end(folder, Duration.ZERO);
        assertThat(cuts).hasSizeGreaterThan(1);
        return cuts;
    }

    /// Checks every restart: the VM is in one of the states, in which it gets in this order when all that was
    /// not forced is lost, and is in the last of them when the operation has returned.
    private void assertStates(List<PowerCut> cuts, String name, List<String> states, Check check) throws Exception {
        var inOrder = new ArrayList<String>();
        int resumed = 0;
        for (PowerCut cut : cuts) {
            for (int seed = 0; seed < seeds(cut, cuts); seed++) {
                Engine engine = restart(cut, seed);
                String state = state(engine, name);
                assertThat(state).as("%s, seed %d", cut, seed).isIn(states);
                if (cut.number() == cuts.getLast().number()) {
                    assertThat(state).as("%s, seed %d", cut, seed).isEqualTo(states.getLast());
                }
                if (seed == 0) {
                    inOrder.add(state);
                }
                check(engine, check, cut, seed);
                if (state.equals("suspended") && resumed < resumes()) {
                    resumed++;
                    resume(engine, name);
                }
            }
        }
        assertThat(inOrder).isSortedAccordingTo((a, b) -> states.indexOf(a) - states.indexOf(b));
        System.out.printf("%s: %d steps, %d restarts, %d resumed%n", name, cuts.size(), restarts, resumed);
    }

    /// After the last step, when the operation has returned, there is always a restart.
    private int seeds(PowerCut cut, List<PowerCut> cuts) {
        return Math.max(seeds(cut.number()), cut.number() == cuts.getLast().number() ? 1 : 0);
    }

    private void check(Engine engine, Check check, PowerCut cut, int seed) {
        try {
            check.run(engine);
        } catch (Exception | AssertionError e) {
            throw new AssertionError("%s, seed %d: %s".formatted(cut, seed, e.getMessage()), e);
        }
    }

    private void everyRestart(List<PowerCut> cuts, Check check) throws Exception {
        for (PowerCut cut : cuts) {
            for (int seed = 0; seed < seeds(cut, cuts); seed++) {
                check(restart(cut, seed), check, cut, seed);
            }
        }
    }

    private void assertAfterLast(List<PowerCut> cuts, Check check) throws Exception {
        everyRestart(cuts.subList(cuts.size() - 1, cuts.size()), check);
    }

    /// Starts the machine again and brings each VM into a resting state; what it needs is whole then.
    private Engine restart(PowerCut cut, int seed) throws Exception {
        restarts++;
        Removal.deleteFolder(Storage.fileSystem(), fixture.home.runtime());
        cut.restart(seed);
        Home home = Home.at(fixture.home.root(), null);
        var engine = new Engine(home, fixture.engine.tools());
        try (FaultReport.Fault fault = FaultReport.inject("machine died", operation)) {
            fault.verify(() -> rest.assertRest(engine));
        } catch (Exception | AssertionError e) {
            throw new AssertionError("%s, seed %d: %s".formatted(cut, seed, e.getMessage()), e);
        }
        return engine;
    }

    private static String state(Engine engine, String name) throws IOException {
        return engine.home().vmNames().contains(name) ? engine.status(name).state() : GONE;
    }

    private static List<String> layers(Engine engine) throws IOException {
        return RestingVms.newest(engine, "vm1").layers().stream()
                .map(layer -> Path.of(layer.path()).getFileName().toString())
                .toList();
    }

    private void assertNewestDiskHolds(Engine engine, int pattern) throws IOException {
        Layer top = RestingVms.newest(engine, "vm1").top();
        String said = qemuIo(
                "read -P %d 0 64k".formatted(pattern),
                Path.of(top.path()),
                top.format().qemuName());
        assertThat(said).as(top.path()).doesNotContain("verification failed");
    }

    private String qemuIo(String command, Path file, String format) throws IOException {
        Path program = fixture.engine.tools().qemu().imageTool().resolveSibling("qemu-io");
        return Command.run(List.of(program.toString(), "-f", format, "-c", command, file.toString()), LONG);
    }

    private void resume(Engine engine, String name) throws Exception {
        engine.resume(name, ResumeOptions.DEFAULT, OperationListener.NONE);
        assertThat(engine.status(name).state()).isEqualTo("running");
        Leftovers.end(folder, Duration.ZERO);
    }
}
