package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.image.ImageWriter;
import dev.dormouse.image.WriterStatistics;
import dev.dormouse.index.IndexListener;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QemuVersion;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Puts the memory of a running VM into an image: to let its QEMU go (suspend), or to let it run on
/// (checkpoint). Until the image is published any failure, Ctrl-C included, lets the VM run on as if
/// nothing had happened; after that nothing can undo it.
final class Suspend {
    private static final Duration EXIT_TIMEOUT = Duration.ofSeconds(30);
    private static final Duration COMMAND_TIMEOUT = Duration.ofSeconds(60);
    /// Of one disk: QEMU looks through all of them for a block, and each is a file that is open.
    static final int LAYERS_MAX = 32;

    private static final long INDEXING_TOLD_BYTES = 1L << 30;

    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final VmConfig config;
    private final SuspendOptions options;
    private final OperationListener listener;
    private final Cancellation cancellation;
    private @Nullable DiskSearch search;

    Suspend(
            Home home,
            QemuTools tools,
            Vm vm,
            SuspendOptions options,
            OperationListener listener,
            Cancellation cancellation)
            throws IOException {
        this.options = options;
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.config = vm.config();
        this.listener = listener;
        this.cancellation = cancellation;
    }

    /// Captures the VM and ends its QEMU.
    SuspendResult suspend() throws IOException {
        return run(VmState.SUSPENDING);
    }

    /// Captures the VM and lets it run on, on new overlays above the layers that the image refers to.
    SuspendResult checkpoint() throws IOException {
        return run(VmState.CHECKPOINTING);
    }

    private SuspendResult run(VmState kind) throws IOException {
        long startNanos = System.nanoTime();
        VmRecord running = vm.record();
        QemuProcess qemu = vm.qemu(running)
                .filter(_ -> running.state() == VmState.RUNNING)
                .orElseThrow(() -> new VmException("vm %s: not running, only a running VM can be %s"
                        .formatted(vm.name(), kind == VmState.SUSPENDING ? "suspended" : "checkpointed")));
        long stoodStillMillis = boundLayers(qemu);
        VmRecord before = vm.record();
        try (QmpClient qmp = QmpClient.connect(vm.sockets().qmp(), Duration.ofSeconds(10), qemu)) {
            refuseBlocked(qmp);
            String id = newImageId();
            new CopiesFile(vm).delete(); // Of an image that was left behind.
            VmRecord during = before.withImage(id, createOverlays(before)).withGeneration(before.generation() + 1);
            Captured captured = captureOrGoOn(qmp, qemu, before, during, kind);
            long pausedMillis = stoodStillMillis + millisSince(captured.pausedNanos());
            if (kind == VmState.SUSPENDING) {
                letGo(qmp, qemu, during);
            } else {
                qmp.execute("cont", Map.of(), COMMAND_TIMEOUT); // A crash just after it is put right.
                pausedMillis = stoodStillMillis + millisSince(captured.pausedNanos());
                vm.enter(
                        VmState.RUNNING,
                        during.withChains(during.chainsWithOverlays()).withImage(null, List.of()));
            }
            closeSearch(); // Waits for the disk, so not while the guest stands still.
            return captured.result(vm.name(), id, home.image(id), pausedMillis, millisSince(startNanos));
        } finally {
            closeSearch();
        }
    }

    private void closeSearch() {
        if (search != null) {
            search.close();
            search = null;
        }
    }

    /// Every image that is kept adds a layer. Those that nobody needs any more are merged when they are too many.
    ///
    /// @return for how long the guest stood still for that, in milliseconds
    private long boundLayers(QemuProcess qemu) throws IOException {
        long stoodStillMillis = tooManyLayers().isPresent()
                ? new LayerCollapse(home, tools, vm, false, listener).runBeforeCapture(qemu)
                : 0;
        Optional<String> disk = tooManyLayers();
        if (disk.isPresent()) {
            throw new VmException(
                    "vm %s: %s has %d layers, more are not made; remove images that need them, which 'dormouse image list' shows, and run 'dormouse gc'"
                            .formatted(vm.name(), disk.get(), LAYERS_MAX));
        }
        return stoodStillMillis;
    }

    private Optional<String> tooManyLayers() throws IOException {
        List<BackingChain> chains = vm.record().chains();
        for (int i = 0; i < chains.size(); i++) {
            if (chains.get(i).depth() >= LAYERS_MAX) {
                return Optional.of(config.disks().get(i).id());
            }
        }
        return Optional.empty();
    }

    /// What was captured, and when the guest was stopped for it.
    private record Captured(WriterStatistics statistics, boolean direct, long captureMillis, long pausedNanos) {
        SuspendResult result(String vm, String id, Path file, long pausedMillis, long totalMillis) throws IOException {
            long nonZeroPages = statistics.totalPages() - statistics.zeroPages();
            return new SuspendResult(
                    vm,
                    id,
                    file.toString(),
                    Files.size(file),
                    statistics.totalPages() * RamBlock.TARGET_PAGE_BYTES,
                    nonZeroPages * RamBlock.TARGET_PAGE_BYTES,
                    statistics.storedPages() * RamBlock.TARGET_PAGE_BYTES,
                    statistics.duplicatePages() * RamBlock.TARGET_PAGE_BYTES,
                    statistics.onDiskPages() * RamBlock.TARGET_PAGE_BYTES,
                    direct,
                    captureMillis,
                    pausedMillis,
                    totalMillis);
        }
    }

    private Captured captureOrGoOn(QmpClient qmp, QemuProcess qemu, VmRecord before, VmRecord during, VmState kind)
            throws IOException {
        boolean wasRunning = false;
        try {
            wasRunning = "running".equals(qmp.execute("query-status").get("status"));
            vm.enter(kind, during);
            return capture(qmp, qemu, before, during, kind);
        } catch (IOException | RuntimeException | Error e) { // A bug of ours, too, must not leave the guest paused.
            goOn(qmp, before, during, wasRunning, e);
            cancellation.check("vm " + vm.name()); // Whatever the capture broke off with was our doing then.
            if (e instanceof IOException failure) {
                throw runsOn(failure);
            }
            throw e;
        }
    }

    /// A checkpoint does most of its work while the guest runs, so that the guest stands still for a moment
    /// only. A suspend does not: the guest is to stop anyway, and would only hold the work up.
    private Captured capture(QmpClient qmp, QemuProcess qemu, VmRecord before, VmRecord during, VmState kind)
            throws IOException {
        long startNanos = System.nanoTime();
        String id = imageId(during);
        QemuVersion version = QemuVersion.ofReply(qmp.execute("query-version"));
        List<String> missingFeatures = CpuFeatures.missing(qmp);
        var indexes = new LayerIndexes(home, tools, vm, qmp, ProcessRef.of(qemu), indexing());
        DiskSearch disksNow = search(indexes, before);
        search = disksNow; // The capture's threads use it, so it is closed after them.
        try (GuestCapture capture = GuestCapture.of(
                vm,
                qmp,
                qemu,
                version,
                home.image(id),
                ImageKeys.writerOptions(options.keyFile(config)),
                disksNow,
                listener,
                cancellation)) {
            capture.readHeat();
            if (kind == VmState.CHECKPOINTING && capture.isDirect()) {
                disksNow.openRunning();
                capture.readRunning();
            } else {
                disksNow.prepare();
            }
            cancellation.check("vm " + vm.name());
            long pausedNanos = System.nanoTime();
            qmp.execute("stop", Map.of(), COMMAND_TIMEOUT);
            disksNow.freeze();
            ImageWriter writer = capture.readStopped();
            writer.setDiskBlockCounts(disksNow.blockCounts());
            long captureMillis = millisSince(startNanos);
            List<FrozenDisk> disks = syncAndIdentify(before.chains());
            if (kind == VmState.CHECKPOINTING) {
                snapshotDisks(qmp, before, during);
            }
            disks = disksNow.describe(disks);
            if (kind == VmState.CHECKPOINTING) {
                indexes.save(); // For the next suspend of this QEMU.
            }
            writer.setMetadata(Json.write(new ImageMetadata(
                    id,
                    vm.name(),
                    Vm.now(),
                    version.numbers(),
                    config.withImageKey(options.keyFile(config)),
                    disks,
                    captureMillis,
                    missingFeatures)));
            cancellation.check("vm " + vm.name());
            listener.step("publishing the image");
            writer.publish();
            return new Captured(writer.statistics(), capture.isDirect(), captureMillis, pausedNanos);
        }
    }

    private DiskSearch search(LayerIndexes indexes, VmRecord record) {
        return DiskSearch.of(indexes, record.chains(), !options.selfContained(), listener);
    }

    private IndexListener indexing() {
        return new IndexListener() {
            private volatile boolean told;

            @Override
            public void progress(long doneBytes, long totalBytes) {
                if (!told && totalBytes > INDEXING_TOLD_BYTES) {
                    told = true;
                    listener.step("indexing a disk layer, once");
                }
            }

            @Override
            public boolean isCancelled() {
                return cancellation.isWanted();
            }
        };
    }

    private void refuseBlocked(QmpClient qmp) throws IOException {
        List<String> reasons = new Migrations(qmp).blockedReasons();
        if (!reasons.isEmpty()) {
            throw new VmException("vm %s: cannot be captured: %s; remove the device that blocks it"
                    .formatted(vm.name(), String.join("; ", reasons)));
        }
    }

    /// Creates the overlays before the guest is paused; they are empty and nobody refers to them yet.
    private List<Layer> createOverlays(VmRecord record) throws IOException {
        try {
            return Overlays.create(tools.images(), vm, config, record);
        } catch (IOException e) {
            throw runsOn(e);
        }
    }

    private VmException runsOn(IOException failure) {
        String resource = "vm " + vm.name();
        return new VmException("%s: %s; the VM runs on".formatted(resource, ErrorText.of(failure, resource)), failure);
    }

    /// The layers are as the guest left them, flushed by QEMU; we sync them ourselves because a disk may
    /// be configured to ignore flushes.
    private List<FrozenDisk> syncAndIdentify(List<BackingChain> chains) throws IOException {
        var disks = new ArrayList<FrozenDisk>();
        for (BackingChain chain : chains) {
            home.storage().force(Path.of(chain.top().path()));
            FrozenDisk disk = FrozenDisk.of(chain);
            LayerIdentity top = disk.layers().getLast();
            for (Path data : top.files().subList(1, top.files().size())) {
                home.storage().force(data);
            }
            disks.add(top.dataFile() == null ? disk : FrozenDisk.of(chain));
        }
        return List.copyOf(disks);
    }

    /// Moves all disks onto their overlays in one transaction, while the images are inactive.
    private static void snapshotDisks(QmpClient qmp, VmRecord before, VmRecord during, VmConfig config)
            throws IOException {
        var actions = new ArrayList<Map<String, Object>>();
        for (int i = 0; i < config.disks().size(); i++) {
            VmConfig.Disk disk = config.disks().get(i);
            int depth = before.chains().get(i).depth();
            Map<String, Object> overlay = new LinkedHashMap<>(
                    QemuCommandLine.blockdev(disk, during.overlays().get(i), depth, true));
            overlay.put("backing", null); // The snapshot sets it.
            qmp.execute("blockdev-add", overlay, COMMAND_TIMEOUT);
            actions.add(Map.of(
                    "type",
                    "blockdev-snapshot",
                    "data",
                    Map.of(
                            "node", QemuCommandLine.node(disk, depth - 1),
                            "overlay", QemuCommandLine.node(disk, depth))));
        }
        if (!actions.isEmpty()) {
            qmp.execute("transaction", Map.of("actions", actions), COMMAND_TIMEOUT);
        }
    }

    private void snapshotDisks(QmpClient qmp, VmRecord before, VmRecord during) throws IOException {
        snapshotDisks(qmp, before, during, config);
    }

    private void letGo(QmpClient qmp, QemuProcess qemu, VmRecord during) throws IOException {
        listener.step("ending QEMU");
        VmRecord suspended = vm.enter(VmState.SUSPENDED, during);
        try {
            qmp.execute("quit", Map.of(), COMMAND_TIMEOUT);
        } catch (IOException _) {
            // It may be gone before it answers; whether it is gone is looked at below.
        }
        if (!qemu.awaitExit(EXIT_TIMEOUT)) {
            qemu.terminate(EXIT_TIMEOUT);
        }
        vm.save(suspended.withQemu(null));
        LayerIndexes.forget(vm);
    }

    /// The image did not come to be: the VM runs on. It does so before that is recorded, because the
    /// record may fail where the image did; a wrong record is put right by the next operation.
    private void goOn(QmpClient qmp, VmRecord before, VmRecord during, boolean wasRunning, Throwable cause)
            throws IOException {
        try {
            if (new Migrations(qmp).isUnderWay()) {
                new Migrations(qmp).cancel(COMMAND_TIMEOUT);
            }
            new Migrations(qmp).resetCapabilities();
            List<BackingChain> chains = Overlays.backOut(qmp, config, before.chains(), during);
            dropUnwanted(imageId(during));
            if (wasRunning) {
                qmp.execute("cont", Map.of(), COMMAND_TIMEOUT);
            }
            vm.enter(VmState.RUNNING, during.withChains(chains).withImage(null, List.of()));
            Overlays.deleteUnused(home.storage(), during.overlays(), chains);
        } catch (IOException e) {
            cause.addSuppressed(e);
            if (!awaitEnd(before)) {
                return;
            }
            new Settle(home, tools, vm).run();
            throw new VmException(
                    "vm %s: QEMU died while its memory was captured, 'dormouse start %s' boots it again from its disks"
                            .formatted(vm.name(), vm.name()),
                    cause);
        }
    }

    /// A publication can fail after the image got its name. It must not outlive what it describes: the
    /// guest writes the layers under it from now on.
    private void dropUnwanted(String id) throws IOException {
        if (Files.exists(home.image(id))) {
            new Completion(home, tools, vm).dropImage(id);
        }
    }

    /// {@return whether QEMU is gone; its sockets close a moment before it is}
    private boolean awaitEnd(VmRecord before) throws IOException {
        var qemu = vm.qemu(before);
        return qemu.isEmpty() || qemu.get().awaitExit(Duration.ofSeconds(2));
    }

    private String newImageId() {
        return new Images(home).newId(vm.name());
    }

    private static String imageId(VmRecord record) {
        if (record.image() == null) {
            throw new IllegalStateException("a capture has begun without an image id");
        }
        return record.image();
    }

    static long millisSince(long startNanos) {
        return (System.nanoTime() - startNanos) / 1_000_000;
    }
}
