package dev.dormouse.engine;

import dev.dormouse.base.RamBlock;
import dev.dormouse.disk.DiskException;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.engine.RestoreRecord.Phase;
import dev.dormouse.image.ImageReader;
import dev.dormouse.index.IndexListener;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QemuVersion;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.restore.EagerRestore;
import dev.dormouse.restore.LazyRestore;
import dev.dormouse.restore.PreparedImage;
import dev.dormouse.restore.RestoreException;
import dev.dormouse.restore.RestoreListener;
import dev.dormouse.restore.RestoreOptions;
import dev.dormouse.restore.RestoreOptions.Placement;
import dev.dormouse.restore.RestorePhase;
import dev.dormouse.restore.RestoreReport;
import dev.dormouse.restore.RestoreStep;
import dev.dormouse.restore.WorkingSet;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/// Brings a suspended VM back: QEMU on the prepared overlays, the restore, the clean end, the merge. The
/// caller's thread serves the pages, so this returns only when all of that is done; the guest runs long
/// before.
final class Resume {
    private static final Duration EXIT_GRACE = Duration.ofSeconds(2);
    private static final Duration CLEAN_TIMEOUT = Duration.ofSeconds(60);
    /// What of the background may lie in the socket before a demanded page: some 30 pages.
    private static final int SEND_BUFFER_BYTES = 128 << 10;

    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final VmConfig config;
    private final ResumeOptions options;
    private final OperationListener listener;
    private Optional<WorkingSet> workingSet = Optional.empty(); // Of earlier restores; read with the image.
    private final long startNanos = System.nanoTime();
    private final AtomicLong runningNanos = new AtomicLong();
    private @Nullable FrozenLayers frozen;
    private @Nullable LazyRestore restored;

    Resume(Home home, QemuTools tools, Vm vm, ResumeOptions options, OperationListener listener) throws IOException {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.config = vm.config();
        this.options = options;
        this.listener = listener;
    }

    ResumeResult run() throws IOException {
        VmRecord record = vm.record();
        if (record.state() == VmState.CRASHED) {
            throw new VmException("vm %s: is crashed, %s".formatted(vm.name(), new Settle(home, tools, vm).advice()));
        }
        if (record.state() != VmState.SUSPENDED || record.image() == null) {
            throw new VmException("vm %s: not suspended, only a suspended VM can be resumed".formatted(vm.name()));
        }
        String id = record.image();
        var status = new RestoreStatus(vm.sockets(), listener);
        Exception failure = null;
        try (ImageReader image = openImage(id)) {
            try (var _ = RestorePhase.begin("check image and disks")) {
                ImageMetadata metadata = Images.metadata(image, home.image(id));
                checkConfiguration(metadata);
                checkPermission();
                frozen = FrozenLayers.freeze(metadata, LayerIndexes.contentCheck(home, tools, listener));
            }
            return restore(id, image, record, status);
        } catch (IOException | RuntimeException e) {
            failure = e;
            throw e;
        } finally {
            if (frozen != null) {
                frozen.close();
            }
            status.close(failure);
        }
    }

    private ImageReader openImage(String id) throws IOException {
        Path file = home.image(id);
        if (!Files.exists(file)) {
            throw new VmException("%s: the image of vm %s is missing, put it back; ".formatted(file, vm.name())
                    + "'dormouse start --discard-state %s' boots the VM without it".formatted(vm.name()));
        }
        return new ImageKeys(options.key()).open(home.storage(), file);
    }

    private void checkConfiguration(ImageMetadata metadata) throws VmException {
        VmConfig captured = metadata.config();
        refuseUnlessEqual("machine type", captured.machine(), config.machine());
        refuseUnlessEqual("CPU count", captured.cpus(), config.cpus());
        refuseUnlessEqual("CPU model", captured.cpuModel(), config.cpuModel());
        refuseUnlessEqual("memory size", captured.memoryBytes(), config.memoryBytes());
        refuseUnlessEqual("memory back end", captured.memoryBackend(), config.memoryBackend());
        refuseUnlessEqual("accelerator", captured.accelerator(), config.accelerator());
        refuseUnlessEqual("disks", shapes(captured), shapes(config));
    }

    /// {@return what the guest sees of its disks}
    private static List<String> shapes(VmConfig vm) {
        return vm.disks().stream()
                .map(disk -> disk.id() + " " + disk.attachment() + " " + disk.sizeBytes())
                .toList();
    }

    private void refuseUnlessEqual(String what, Object captured, Object configured) throws VmException {
        if (!captured.equals(configured)) {
            throw new VmException("vm %s: its %s is %s, but its image was captured with %s; change %s back"
                    .formatted(
                            vm.name(), what, configured, captured, vm.folder().resolve("vm.json")));
        }
    }

    private void checkPermission() throws IOException {
        if (options.eager()) {
            return;
        }
        // Most hosts either permit it to everybody or to nobody; asking QEMU for its version takes long.
        QemuVersion oldest = new QemuVersion(7, 2, 0, "7.2.0");
        if (UserfaultfdPermission.missing(oldest).isPresent()) {
            Optional<String> missing =
                    UserfaultfdPermission.missing(tools.qemu().version());
            if (missing.isPresent()) {
                throw new VmException("vm %s: %s".formatted(vm.name(), missing.get()));
            }
        }
    }

    private ResumeResult restore(String id, ImageReader image, VmRecord suspended, RestoreStatus status)
            throws IOException {
        if (suspended.overlays().stream().anyMatch(overlay -> !Files.exists(Path.of(overlay.path())))) {
            throw new DiskException("vm %s: an overlay of %s is missing, 'dormouse restore %s --as NEW' makes new ones"
                    .formatted(vm.name(), vm.disks(), id));
        }
        RestoreRecord restore = newRecord(id, image, suspended);
        List<LayerIdentity> indexed = LayerIndexes.indexed(home, tools, suspended.chains());
        QemuProcess qemu = null;
        try (var preparing = Aside.start("restore-prepare", () -> prepare(image, id), PreparedImage::close)) {
            VmRecord restoring;
            try (var _ = RestorePhase.begin("record")) {
                vm.save(restore);
                restoring = vm.enter(VmState.RESTORING, suspended);
            }
            listener.reached(RestoreStep.RECORDED);
            var starter = new QemuStarter(tools, vm);
            try (var _ = RestorePhase.begin("start QEMU")) {
                qemu = starter.startIncoming(config, restoring.chainsWithOverlays());
            }
            ProcessRef reference = ProcessRef.of(qemu);
            VmRecord record = restoring.withQemu(reference);
            try (var recorded = Aside.start("restore-record", () -> recordQemu(restore, record, reference));
                    QmpClient qmp = connect(starter, qemu, image)) {
                recorded.get(); // Before anything is asked of QEMU.
                listener.reached(RestoreStep.STARTED);
                try (var _ = RestorePhase.begin("ask QEMU")) {
                    checkVersion(QemuVersion.ofReply(qmp.execute("query-version")), image);
                    CpuFeatures.refuseFewer(Images.metadata(image, image.path()), qmp);
                    track(qmp, reference, record, indexed);
                }
                return feed(qmp, image, preparing.get(), restore.withQemu(reference), record, status);
            }
        } catch (IOException | RuntimeException e) {
            throw explained(e, qemu, status);
        }
    }

    private Void recordQemu(RestoreRecord restore, VmRecord record, ProcessRef qemu) throws IOException {
        try (var _ = RestorePhase.begin("record QEMU")) {
            vm.save(restore.withQemu(qemu));
            vm.save(record);
            return null;
        }
    }

    /// The layers are frozen until the guest has all its memory, so what is asked now held before, too.
    private void track(QmpClient qmp, ProcessRef qemu, VmRecord record, List<LayerIdentity> indexed)
            throws IOException {
        new LayerIndexes(home, tools, vm, qmp, qemu, IndexListener.NONE).track(record.chainsWithOverlays(), indexed);
    }

    private PreparedImage prepare(ImageReader image, String id) throws IOException {
        try (var _ = RestorePhase.begin("prepare image")) {
            workingSet = new WorkingSetFile(vm).read().map(set -> set.forImage(id));
            var disks = new FrozenViews(Images.metadata(image, image.path()), tools);
            var prepared = PreparedImage.of(image, disks, copies(image));
            if (options.eager() || options.restore().isReadingEarly()) {
                prepared.readEarly(workingSet.orElse(null));
            }
            return prepared;
        }
    }

    private @Nullable ImageReader copies(ImageReader image) {
        boolean ahead = workingSet.isPresent() && !options.eager();
        return ahead
                ? new CopiesFile(vm).open(image, new ImageKeys(options.key())).orElse(null)
                : null;
    }

    /// A QEMU that does not know the machine type ends at once; that it is too old says more.
    private QmpClient connect(QemuStarter starter, QemuProcess qemu, ImageReader image) throws IOException {
        try (var _ = RestorePhase.begin("await QEMU")) {
            return starter.connect(qemu);
        } catch (IOException e) {
            checkVersion(tools.qemu().version(), image);
            throw e;
        }
    }

    private RestoreRecord newRecord(String id, ImageReader image, VmRecord suspended) throws IOException {
        List<String> blocks = image.ramBlocks().stream().map(RamBlock::name).toList();
        VmSockets sockets = vm.sockets();
        // An image of somebody else, or one that somebody else was made of, is not ours to drop.
        boolean keep = options.keepImage()
                || !Images.metadata(image, home.image(id)).vm().equals(vm.name())
                || new Images(home).users(id).size() > 1;
        return new RestoreRecord(
                id,
                Phase.STARTING,
                keep,
                options.eager(),
                null,
                ProcessRef.self(),
                sockets.qmpOutOfBand().toString(),
                sockets.migration().toString(),
                image.ramSectionId(),
                blocks,
                Collections.nCopies(blocks.size(), RestoreRecord.UNDECIDED),
                suspended.overlays(),
                false);
    }

    private ResumeResult feed(
            QmpClient qmp,
            ImageReader image,
            PreparedImage prepared,
            RestoreRecord restore,
            VmRecord record,
            RestoreStatus status)
            throws IOException {
        long readyMillis = Suspend.millisSince(startNanos);
        var clock = new GuestClock(vm, config, listener);
        qmp.addListener(event -> {
            if (event.name().equals("RESUME") && runningNanos.compareAndSet(0, System.nanoTime())) {
                status.running();
                listener.running();
                clock.guestRuns();
            }
        });
        var migrations = new Migrations(qmp);
        var connecting = RestorePhase.begin("connect migration");
        // The eager way may not have postcopy on: QEMU would look for userfaultfd, which may be forbidden.
        migrations.setCapabilities(
                options.eager() ? Map.of("events", true) : Map.of("events", true, "postcopy-ram", true));
        if (!options.eager()) {
            checkPlacement(qemuPid(restore)); // Before QEMU is connected: it would end with words of its own.
        }
        migrations.startIncoming("unix:" + restore.migrationSocket());
        VmSockets.narrow(Path.of(restore.migrationSocket()));
        listener.reached(RestoreStep.LISTENING);
        RestoreReport report;
        try (SocketChannel channel = connect(restore.migrationSocket())) {
            vm.save(restore.with(Phase.HANDSHAKE));
            listener.reached(RestoreStep.CONNECTED);
            connecting.close();
            report = options.eager()
                    ? eager(channel, prepared, restore, status)
                    : lazy(channel, prepared, restore, status);
            migrations.awaitIncomingClean(CLEAN_TIMEOUT);
            listener.reached(RestoreStep.CLEAN);
        }
        if (options.eager()) {
            vm.save(restore.with(Phase.RUNNING));
            qmp.execute("cont"); // The stream says that the guest was paused, as it was for the capture.
        }
        long completeMillis = Suspend.millisSince(startNanos);
        new Completion(home, tools, vm, listener).complete(qmp, restore, record, Objects.requireNonNull(frozen));
        report = report.withResponsiveMillisEstimate(responsiveMillis());
        new LastRestore(vm).write(report);
        if (restored != null) {
            listener.step("making huge pages");
            restored.collapse();
        }
        long skipped = frameCount(image) - report.nonZeroPages() - report.demandedZeroPages();
        return new ResumeResult(
                readyMillis,
                (runningNanos.get() - startNanos) / 1_000_000,
                completeMillis,
                Suspend.millisSince(startNanos),
                report.demandedPages(),
                report.demandedZeroPages(),
                report.prefetchedPages(),
                skipped,
                report);
    }

    /// {@return from the request until the guest hardly waited for pages; of an eager resume until it ran}
    private @Nullable Long responsiveMillis() {
        long ran = runningNanos.get();
        Long responsive = restored == null ? (Long) ran : restored.responsiveNanos();
        return ran == 0 || responsive == null ? null : (Long) ((Math.max(ran, responsive) - startNanos) / 1_000_000);
    }

    private void checkPlacement(long qemuPid) throws VmException {
        try {
            LazyRestore.checkPermitted(qemuPid, options.restore());
        } catch (RestoreException e) {
            throw new VmException(String.valueOf(e.getMessage()), e);
        }
    }

    private static long frameCount(ImageReader image) {
        return image.ramBlocks().stream().mapToLong(RamBlock::frameCount).sum();
    }

    private RestoreReport lazy(SocketChannel channel, PreparedImage image, RestoreRecord restore, RestoreStatus status)
            throws IOException {
        // Pages that are sent before the guest runs come into huge ones.
        RestoreOptions how = config.memoryBackend() == VmConfig.MemoryBackend.ANONYMOUS
                ? options.restore()
                : options.restore().withEarly(RestoreOptions.Early.NONE);
        var lazy = new LazyRestore("vm " + vm.name(), channel, qemuPid(restore), image, status, how);
        workingSet.ifPresent(lazy::expect);
        try (var _ = RestorePhase.begin("handshake")) {
            lazy.handshake();
        }
        RestoreRecord running = restore.with(Phase.RUNNING)
                .withPlacement(lazy.hasWritten() ? restore.placement() : waysKnownBefore(restore));
        try (var _ = RestorePhase.begin("record RUN")) {
            vm.save(running);
        }
        listener.reached(RestoreStep.READY);
        try {
            lazy.run(ways -> status.later(() -> savePlacement(running, ways)));
        } finally {
            status.drain(); // What is recorded next must not be overtaken.
        }
        new WorkingSetFile(vm).write(lazy.workingSet());
        restored = lazy;
        return lazy.report();
    }

    /// Where no page can go directly that is recorded before the first one goes: a recovery that may not
    /// look into QEMU's memory has to know it.
    private List<String> waysKnownBefore(RestoreRecord restore) {
        return isByStream(restore)
                ? Collections.nCopies(restore.ramBlocks().size(), RestoreRecord.STREAM)
                : restore.placement();
    }

    private boolean isByStream(RestoreRecord restore) {
        return options.restore().placement() == Placement.STREAM || !LazyRestore.isDirectPermitted(qemuPid(restore));
    }

    private void savePlacement(RestoreRecord running, List<String> ways) {
        try {
            vm.save(running.withPlacement(ways));
        } catch (IOException _) {
            // A recovery finds out by itself; the guest must not lose its page server for this.
        }
    }

    private static long qemuPid(RestoreRecord restore) {
        if (restore.qemu() == null) {
            throw new IllegalStateException("a restore has begun without a QEMU");
        }
        return restore.qemu().pid();
    }

    private RestoreReport eager(
            SocketChannel channel, PreparedImage image, RestoreRecord restore, RestoreListener status)
            throws IOException {
        boolean writable = config.memoryBackend() == VmConfig.MemoryBackend.ANONYMOUS && !isByStream(restore);
        OptionalLong pid = writable ? OptionalLong.of(qemuPid(restore)) : OptionalLong.empty();
        var eager = new EagerRestore(channel, image, status, pid);
        eager.run();
        return eager.report();
    }

    private void checkVersion(QemuVersion running, ImageReader image) throws IOException {
        String id = image.path().toString();
        String full = Images.metadata(image, image.path()).qemuVersion();
        QemuVersion captured = QemuVersion.ofCommandLine("version " + full);
        if (!running.atLeast(captured.major(), captured.minor())) {
            throw new VmException("%s is QEMU %s, image %s needs %d.%d or newer"
                    .formatted(tools.qemu().path(), running.full(), id, captured.major(), captured.minor()));
        }
    }

    static SocketChannel connect(String socket) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.setOption(StandardSocketOptions.SO_SNDBUF, SEND_BUFFER_BYTES);
            channel.connect(UnixDomainSocketAddress.of(socket));
            return channel;
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    /// Puts the VM into the state that `docs/states.md` has for what is left, and says which one that is.
    private IOException explained(Exception cause, @Nullable QemuProcess qemu, RestoreStatus status)
            throws IOException {
        var settle = new Settle(home, tools, vm);
        boolean refused = cause instanceof VmException; // By a check of ours, whatever QEMU did meanwhile.
        // Its sockets close a moment before it is gone.
        boolean ended = qemu != null && qemu.awaitExit(refused ? Duration.ZERO : EXIT_GRACE);
        String reason = Objects.requireNonNullElse(cause.getMessage(), cause.toString());
        String what = qemu != null && ended && !refused ? qemu.died(null).getMessage() : reason;
        if (qemu != null && !ended && !settle.guestMayHaveRun()) {
            qemu.terminate(Duration.ofSeconds(5));
        }
        boolean connected = vm.restoreRecord()
                .map(restore -> restore.phase() != Phase.STARTING)
                .orElse(false);
        settle.run();
        String message = "vm %s: resume failed: %s; %s".formatted(vm.name(), what, settle.advice());
        boolean lost = qemu != null && ended && !refused && (connected || qemu.wasKilled());
        // A restore that stalled would stall again; whoever ended its QEMU has given it up.
        return lost && !status.isStalled() && vm.record().state() == VmState.SUSPENDED
                ? new NothingLostException(message, cause)
                : new VmException(message, cause);
    }
}
