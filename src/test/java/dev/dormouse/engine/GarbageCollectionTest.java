package dev.dormouse.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.engine.GcReport.Item;
import dev.dormouse.engine.GcReport.Kind;
import dev.dormouse.engine.RestoreRecord.Phase;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What `gc` finds, and what it must not touch, with a real QEMU that has no guest.
@Tag("qemu")
class GarbageCollectionTest {
    private static final Duration LONG = EngineFixture.LONG;
    // Not the common pool: it has one thread on two processors.
    private static final Executor THREADS = task -> Thread.ofPlatform().daemon().start(task);

    @TempDir
    Path folder;

    private EngineFixture fixture;
    private Vm vm;

    @BeforeEach
    void start() throws Exception {
        fixture = new EngineFixture(folder);
        fixture.startWithoutGuest("vm1");
        vm = fixture.vm("vm1");
    }

    @AfterEach
    void end() throws IOException {
        fixture.close();
    }

    private GcReport collect(boolean dryRun) throws IOException {
        return fixture.engine.collectGarbage(dryRun, OperationListener.NONE);
    }

    private static Path old(Path file) throws IOException {
        Files.createDirectories(file.getParent());
        Files.write(file, new byte[1000]);
        Files.setLastModifiedTime(file, FileTime.from(Instant.now().minus(Duration.ofDays(2))));
        return file;
    }

    @Test
    void removesWhatOperationsHaveLeftThatWereCutOff() throws Exception {
        fixture.suspend("vm1");
        Path home = fixture.home.root();
        Path disks = home.resolve("vms/vm1/disks");
        List<Path> left = List.of(
                old(home.resolve("images/vm1-20260101-000000.dormouse.0123abcd.tmp")),
                old(home.resolve("vms/vm1/writes.json.new")),
                old(disks.resolve("disk0-77.qcow2")),
                old(home.resolve("indexes/0123456789abcdef.index")),
                old(home.resolve("indexes/0123456789abcdef.index.01234567.tmp")),
                old(fixture.home.runtime().resolve("vm1/qmp")),
                old(fixture.home.runtime().resolve("gone/qmp")).getParent(),
                old(home.resolve("vms/half/vm.json")).getParent());
        List<Path> notOurs = List.of(
                old(disks.resolve("disk0-1.qcow2.aside-20260101")),
                old(disks.resolve("mine.img")),
                old(disks.resolve("other-1.qcow2")));

        GcReport dry = collect(true);

        assertThat(paths(dry)).containsAll(strings(left));
        assertThat(left).allMatch(Files::exists);
        GcReport done = collect(false);
        assertThat(paths(done)).containsAll(strings(left)).doesNotContainAnyElementsOf(strings(notOurs));
        assertThat(left).noneMatch(Files::exists);
        assertThat(notOurs).allMatch(Files::exists);
        assertThat(collect(false).items()).isEmpty();
        fixture.resume("vm1");
        assertThat(fixture.state("vm1")).isEqualTo("running");
    }

    private static List<String> paths(GcReport report) {
        return report.items().stream().map(Item::path).toList();
    }

    private static List<String> strings(List<Path> paths) {
        return paths.stream().map(Path::toString).toList();
    }

    @Test
    void leavesWhatImagesAndOtherVmsNeed() throws Exception {
        String image = fixture.checkpoint("vm1").image();
        fixture.engine.restoreAs(image, "vm2");
        fixture.suspend("vm1");
        assertThat(collect(false).items()).noneMatch(GarbageCollectionTest::isNeeded);

        fixture.resume("vm2");
        fixture.resume("vm1");
        assertThat(collect(false).items()).isEmpty();
        assertThat(fixture.state("vm2")).isEqualTo("running");
        assertThat(fixture.home.imageIds()).containsExactly(image);
    }

    @Test
    void leavesAllLayersWhereAnImageCannotBeRead() throws Exception {
        Path image = fixture.home.image(fixture.checkpoint("vm1").image());
        fixture.engine.stop("vm1", true, LONG, OperationListener.NONE);
        Path overlay = Path.of(vm.record().chains().getFirst().top().path());
        fixture.engine.remove("vm1", false);
        // The VM is gone, its folder came back with an overlay; nobody knows what the image needs.
        Files.createDirectories(overlay.getParent());
        Files.write(overlay, new byte[100]);
        Files.write(image, new byte[100_000]);

        GcReport report = collect(false);

        assertThat(overlay).exists();
        assertThat(image).exists();
        assertThat(report.passedOver()).anyMatch(text -> text.startsWith(overlay.toString()));
    }

    @Test
    void leavesAnInterruptedRestoreWhoseQemuWaits() throws Exception {
        fixture.suspend("vm1");
        VmRecord suspended = vm.record();
        QemuProcess qemu =
                new QemuStarter(fixture.engine.tools(), vm).start(vm.config(), suspended.chainsWithOverlays(), true);
        ProcessRef reference = ProcessRef.of(qemu);
        vm.save(SettleTest.restoreRecord(suspended, Phase.RUNNING).withQemu(reference));
        vm.enter(VmState.RESTORING, suspended.withQemu(reference));

        GcReport report = collect(false);

        assertThat(report.items()).isEmpty();
        assertThat(report.passedOver())
                .containsExactly(
                        "vm vm1: restoring was cut off, and is carried on or ended by the next command for it");
        assertThat(qemu.isAlive()).isTrue();
        assertThat(vm.restoreRecord()).isPresent();
        assertThat(fixture.home.imageIds()).containsExactly(suspended.image());
        assertThat(fixture.diskFiles("vm1")).containsExactly("disk0-1.qcow2");
    }

    @Test
    void leavesWhatAProcessHasOpenThatNoVmKnows() throws Exception {
        Path image = old(fixture.home.images().resolve("other.dormouse.0123abcd.tmp"));
        Path sockets = fixture.home.runtime().resolve("vm1");
        try (FileChannel _ = FileChannel.open(image, StandardOpenOption.READ)) {
            // Its QEMU runs, and its VM is gone.
            Files.move(vm.folder(), folder.resolve("elsewhere"));

            GcReport report = collect(false);

            assertThat(report.items()).isEmpty();
            assertThat(report.passedOver())
                    .containsExactlyInAnyOrder(
                            image + ": a running process uses it", sockets + ": a running process uses it");
            Files.move(folder.resolve("elsewhere"), vm.folder());
        }
        assertThat(fixture.state("vm1")).isEqualTo("running");
        assertThat(paths(collect(false))).containsExactly(image.toString());
    }

    @Test
    void leavesAVmThatIsBeingCreated() throws Exception {
        fixture.home.createVmFolder("new");
        try (VmLock _ = VmLock.tryAcquire(fixture.home.vm("new"), "vm create").orElseThrow()) {
            assertThat(collect(false).passedOver()).containsExactly(fixture.home.vm("new") + ": is being created");
        }
        assertThat(paths(collect(false))).containsExactly(fixture.home.vm("new").toString());
    }

    /// Collects again and again while the VM is suspended and resumed.
    @Test
    void doesNotHurtOperationsAtTheSameTime() throws Exception {
        var ended = new AtomicBoolean();
        CompletableFuture<Integer> collector = CompletableFuture.supplyAsync(() -> collectUntil(ended), THREADS);
        try {
            for (int i = 0; i < 3; i++) {
                fixture.suspend("vm1");
                fixture.engine.restoreAs(String.valueOf(vm.record().image()), "clone" + i);
                InterruptionTest.await("gc lets the VM go", () -> resumed("vm1"));
                assertThat(fixture.state("vm1")).isEqualTo("running");
            }
        } finally {
            ended.set(true);
        }
        assertThat(collector.get(1, TimeUnit.MINUTES)).isPositive();
        for (int i = 0; i < 3; i++) {
            fixture.resume("clone" + i);
            assertThat(fixture.state("clone" + i)).isEqualTo("running");
        }
    }

    private boolean resumed(String name) throws IOException {
        try {
            fixture.resume(name);
            return true;
        } catch (VmException e) {
            if (String.valueOf(e.getMessage()).contains("'gc' of process")) {
                return false;
            }
            throw e;
        }
    }

    private int collectUntil(AtomicBoolean ended) {
        int rounds = 0;
        try {
            while (!ended.get()) {
                assertThat(collect(false).items()).noneMatch(item -> item.kind() != Kind.LAYER && isNeeded(item));
                rounds++;
                TimeUnit.MILLISECONDS.sleep(100); // The others are to get the lock, too.
            }
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
        return rounds;
    }

    private static boolean isNeeded(Item item) {
        return item.path().endsWith(".qcow2") || item.path().endsWith(".dormouse");
    }

    @Test
    void mergesTheLayersOfARunningVmThatNobodyNeeds() throws Exception {
        for (int i = 0; i < 3; i++) {
            String image = fixture.checkpoint("vm1").image();
            write(5 + i, i * 64);
            fixture.engine.images().remove(image);
        }
        assertThat(fixture.layers("vm1")).hasSize(4);
        assertThat(collect(true).items()).extracting(Item::kind).containsOnly(Kind.LAYER);

        GcReport report = collect(false);

        assertThat(report.items()).hasSize(3).extracting(Item::kind).containsOnly(Kind.LAYER);
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw");
        assertThat(fixture.diskFiles("vm1")).isEmpty();
        assertThat(vm.restoreRecord()).isEmpty();
        for (int i = 0; i < 3; i++) {
            assertThat(Files.readAllBytes(folder.resolve("disk.raw"))[(i * 64) << 10])
                    .isEqualTo((byte) (5 + i));
        }
        fixture.suspend("vm1");
        fixture.resume("vm1");
        assertThat(fixture.state("vm1")).isEqualTo("running");
    }

    private void write(int pattern, int kibibyte) throws IOException {
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), LONG, fixture.process("vm1"))) {
            MachineDeathContract.hmp(qmp, "write -P %d %dk 64k".formatted(pattern, kibibyte));
            MachineDeathContract.hmp(qmp, "flush");
        }
    }

    @Test
    void mergesTheLayersOfAStoppedVmThatNobodyNeeds() throws Exception {
        String image = fixture.checkpoint("vm1").image();
        write(9, 0);
        fixture.process("vm1").kill();
        fixture.engine.images().remove(image);

        assertThat(collect(false).items()).extracting(Item::kind).contains(Kind.LAYER);

        assertThat(fixture.layers("vm1")).containsExactly("disk.raw");
        assertThat(Files.readAllBytes(folder.resolve("disk.raw"))[0]).isEqualTo((byte) 9);
    }

    /// The record of such a merge names no image; a crash in it is settled as one at the end of a restore.
    @Test
    void aMergeOfGcThatWasCutOffIsSettled() throws Exception {
        String image = fixture.checkpoint("vm1").image();
        fixture.engine.images().remove(image);
        VmRecord running = vm.record();
        vm.save(RestoreRecord.ofMerge(
                List.of(running.chains().getFirst().top()),
                ProcessRef.of(fixture.process("vm1")),
                vm.sockets(),
                false));

        new Settle(fixture.home, fixture.engine.tools(), vm).run();

        assertThat(vm.record().chains()).isEqualTo(running.chains());
        assertThat(vm.restoreRecord()).isEmpty();
        assertThat(collect(false).items()).hasSize(1);
        assertThat(fixture.layers("vm1")).containsExactly("disk.raw");
    }

    /// A guest that stood still for it goes on.
    @Test
    void aMergeBeforeACaptureThatWasCutOffIsSettled() throws Exception {
        vm.save(RestoreRecord.ofMerge(
                List.of(vm.record().chains().getFirst().top()),
                ProcessRef.of(fixture.process("vm1")),
                vm.sockets(),
                true));
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), LONG, fixture.process("vm1"))) {
            qmp.execute("stop");
        }

        new Settle(fixture.home, fixture.engine.tools(), vm).run();

        assertRuns();
        assertThat(vm.restoreRecord()).isEmpty();
    }

    private void assertRuns() throws IOException {
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), LONG, fixture.process("vm1"))) {
            assertThat(qmp.execute("query-status").get("status")).isEqualTo("running");
        }
    }

    /// Its live commits can lose what a guest writes meanwhile, so that layers stay until the VM has too many.
    @Test
    void theGuestStandsStillWhereQemuCannotMergeOtherwise() throws Exception {
        fixture.close();
        fixture = new EngineFixture(folder, EngineFixture.qemu("10.0"));
        fixture.engine.start("vm1", false);
        fixture.makeLayers("vm1");
        assertThat(fixture.layers("vm1")).hasSize(Suspend.LAYERS_MAX);
        write(9, 0);
        collect(false);
        assertThat(fixture.layers("vm1")).as("by gc").hasSize(Suspend.LAYERS_MAX);

        fixture.checkpoint("vm1");

        assertThat(fixture.layers("vm1")).as("one less, and a new one").hasSize(Suspend.LAYERS_MAX);
        assertThat(vm.restoreRecord()).isEmpty();
        assertRuns();
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), LONG, fixture.process("vm1"))) {
            MachineDeathContract.hmp(qmp, "read -P 9 0 64k");
        }
    }

    @Test
    void aDiskHasABoundedNumberOfLayers() throws Exception {
        fixture.makeLayers("vm1");
        String golden = "golden"; // A layer that another VM needs is not merged.
        pinAll(golden);

        assertThatThrownBy(() -> fixture.checkpoint("vm1"))
                .hasMessage("vm vm1: disk0 has 32 layers, more are not made; remove images that need them, "
                        + "which 'dormouse image list' shows, and run 'dormouse gc'");
        assertThat(fixture.state("vm1")).isEqualTo("running");
        fixture.engine.remove(golden, true);

        // What nobody needs any more is merged before it is refused.
        fixture.checkpoint("vm1");
        assertThat(fixture.layers("vm1")).hasSize(2);
    }

    private void pinAll(String name) throws IOException {
        fixture.home.createVmFolder(name);
        VmRecord record = vm.record();
        Vm.create(
                fixture.home,
                renamed(vm.config(), name),
                new VmRecord(VmState.STOPPED, record.chains(), null, List.of(), null, 0, Vm.now()));
    }

    private static VmConfig renamed(VmConfig config, String name) {
        return new VmConfig(
                name,
                config.memoryBytes(),
                config.cpus(),
                config.machine(),
                config.accelerator(),
                config.cpuModel(),
                config.memoryBackend(),
                config.disks(),
                config.kernel(),
                config.networks(),
                config.vnc(),
                config.uefi(),
                config.guestAgent(),
                config.vmgenid(),
                config.extraArguments(),
                config.qemuVersion(),
                config.imageKey());
    }
}
