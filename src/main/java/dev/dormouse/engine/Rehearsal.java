package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.image.ImageReader;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.restore.LazyRestore;
import dev.dormouse.restore.PreparedImage;
import dev.dormouse.restore.RestoreListener;
import dev.dormouse.restore.RestoreOptions;
import dev.dormouse.restore.WorkingSet;
import java.io.IOException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Lets a suspended VM run for some seconds where nobody sees it, to learn what it touches first: of its image, on
/// overlays that are thrown away, its network leading nowhere, with no page that it does not ask for. What it asked
/// for is its working set, which a resume then places before the guest needs it (`docs/adr/0048-rehearsals.md`). What
/// of it stands on the disks is copied then, so that the resume need not read these.
///
/// Holds the VM's lock, and lets go of it as soon as anybody else wants it. Its QEMU has sockets and files of its
/// own, in folders that whoever has the lock next removes ([#clean]) should this process have been killed.
final class Rehearsal {
    /// The name of the operation that holds the lock.
    static final String OPERATION = "rehearse";
    /// The overlays of a rehearsal, in the VM's folder, and its sockets, in that of the VM's, where paths are
    /// short.
    private static final String FOLDER = "rehearsal";
    private static final String SOCKETS = "r";
    private static final Duration START_TIMEOUT = Duration.ofSeconds(30);
    /// Of an orphan, which may turn round and round; longer than a rehearsal on any number of processors.
    private static final int PROCESSOR_SECONDS_MAX = 600;
    /// What the guest writes is kept in the home for a while.
    private static final long OVERLAY_BYTES_MAX = 1L << 30;
    /// Whoever waits for a processor goes first.
    private static final int NICE = 10;

    private final Home home;
    private final QemuTools tools;
    private final ImageKeys keys;
    private final Vm vm;
    private final OperationListener listener;
    private final Cancellation cancellation;

    Rehearsal(
            Home home, QemuTools tools, ImageKeys keys, Vm vm, OperationListener listener, Cancellation cancellation) {
        this.home = home;
        this.tools = tools;
        this.keys = keys;
        this.vm = vm;
        this.listener = listener;
        this.cancellation = cancellation;
    }

    /// {@return why the VM cannot be rehearsed, empty if it can}
    static Optional<String> obstacle(VmConfig config, VmRecord record) {
        if (record.state() != VmState.SUSPENDED || record.image() == null) {
            return Optional.of("not suspended, only a suspended VM can be rehearsed");
        }
        for (VmConfig.Network network : config.networks()) {
            if (!network.mode().equals("user")) { // Its state is that of a card with such a network behind it.
                return Optional.of(
                        "it has a %s network, only a VM with user networks can be rehearsed".formatted(network.mode()));
            }
        }
        for (BackingChain chain : record.chains()) {
            if (chain.servedDepth() > 0) {
                return Optional.of("%s has layers that are neither raw nor qcow2, no such VM is rehearsed"
                        .formatted(chain.top().path()));
            }
        }
        return ExtraArguments.reachingOutside(config.extraArguments())
                .map("its extra argument '%s' may lead out of the VM, so it is not rehearsed"::formatted);
    }

    /// Called with the VM's lock held and the VM settled.
    RehearsalResult run() throws IOException {
        VmRecord record = vm.record();
        VmConfig config = vm.config();
        Optional<String> obstacle = obstacle(config, record);
        if (obstacle.isPresent()) {
            throw new VmException("vm %s: %s".formatted(vm.name(), obstacle.get()));
        }
        if (cancellation.isWanted()) {
            throw brokenOff(null);
        }
        Path file = home.image(Objects.requireNonNull(record.image()));
        try (ImageReader image = keys.open(home.storage(), file)) {
            ImageMetadata metadata = Images.metadata(image, file);
            try (FrozenLayers _ = FrozenLayers.freeze(metadata)) {
                return run(image, metadata, record, config.isolated());
            }
        } finally {
            clean(home, vm);
        }
    }

    private RehearsalResult run(ImageReader image, ImageMetadata metadata, VmRecord record, VmConfig config)
            throws IOException {
        VmSockets sockets = new VmSockets(
                Home.createPrivate(home.sockets(vm.name()).resolve(SOCKETS)),
                Home.createPrivate(vm.folder().resolve(FOLDER)));
        List<String> argv =
                QemuCommandLine.build(tools.qemu().path(), config, chains(config, record, sockets.vm()), sockets, true);
        QemuStarter.prepareMemory(config);
        try (PreparedImage prepared = PreparedImage.of(image, new FrozenViews(metadata, tools))) {
            QemuProcess qemu =
                    QemuProcess.start(new QemuProcess.Spec(argv, sockets.qemuLog()).withPrefix(bounded(config)));
            Learnt learnt;
            try (QmpClient qmp = QmpClient.connect(sockets.qmp(), START_TIMEOUT, qemu)) {
                sockets.narrow();
                learnt = rehearse(qmp, qemu, prepared, sockets);
            } finally {
                qemu.kill();
            }
            return copy(image, prepared, learnt);
        }
    }

    /// @param set what the guest asked for
    private record Learnt(WorkingSet set, RehearsalWatch.Seen seen) {}

    /// What was learnt counts without the copies, too.
    private RehearsalResult copy(ImageReader image, PreparedImage prepared, Learnt learnt) {
        listener.step("copying what the resume needs first");
        var copies = new CopiesFile(vm);
        long pages = 0;
        try {
            pages = copies.write(image, prepared, learnt.set, keys, () -> !isToEnd());
        } catch (IOException e) {
            listener.step("copied nothing: " + ErrorText.of(e));
        }
        return new RehearsalResult(
                vm.name(),
                learnt.seen.millis(),
                learnt.set.size(),
                learnt.seen.demandedPages(),
                learnt.seen.nonZeroPages(),
                learnt.seen.wantedShare(),
                pages,
                pages == 0 ? 0 : copies.lengthBytes());
    }

    private boolean isToEnd() throws IOException {
        return cancellation.isWanted() || VmLock.isWanted(vm);
    }

    /// Should we be killed, nobody ends it before somebody has the VM's lock.
    private static List<String> bounded(VmConfig config) {
        var prefix = new ArrayList<>(QemuScope.prefix(System.getenv(), config.name() + " (rehearsal)"));
        prefix.addAll(List.of("nice", "--adjustment=" + NICE, "prlimit", "--cpu=" + PROCESSOR_SECONDS_MAX));
        if (config.memoryBackend() == VmConfig.MemoryBackend.ANONYMOUS) { // The memory of others is a file, too.
            prefix.add("--fsize=" + OVERLAY_BYTES_MAX);
        }
        prefix.add("--");
        return prefix;
    }

    /// {@return the frozen layers under overlays of its own}
    private List<BackingChain> chains(VmConfig config, VmRecord record, Path folder) throws IOException {
        var overlays = new ArrayList<Layer>();
        for (int i = 0; i < config.disks().size(); i++) {
            VmConfig.Disk disk = config.disks().get(i);
            Path file = folder.resolve(disk.id() + ".qcow2");
            tools.images().createOverlay(file, record.chains().get(i).top(), disk.sizeBytes());
            overlays.add(new Layer(file.toString(), Layer.Format.QCOW2));
        }
        return record.withImage(record.image(), overlays).chainsWithOverlays();
    }

    private Learnt rehearse(QmpClient qmp, QemuProcess qemu, PreparedImage image, VmSockets sockets)
            throws IOException {
        try (var watch = new RehearsalWatch(qemu, this::isToEnd)) {
            qmp.addListener(event -> {
                if (event.name().equals("RESUME")) {
                    watch.running();
                }
            });
            try (SocketChannel channel = connect(qmp, sockets)) {
                var restore = new LazyRestore(
                        "rehearsal of vm " + vm.name(),
                        channel,
                        qemu.pid(),
                        image,
                        relay(watch),
                        RestoreOptions.DEMANDS);
                run(restore, watch);
                return learn(restore, watch.seen());
            } catch (IOException e) {
                if (watch.hasEnded() && !watch.isWhole()) {
                    throw brokenOff(e);
                }
                throw e;
            }
        }
    }

    private VmException brokenOff(@Nullable IOException cause) {
        String message = "vm %s: its rehearsal was broken off, nothing was learnt".formatted(vm.name());
        return cause == null ? new VmException(message) : new VmException(message, cause);
    }

    private SocketChannel connect(QmpClient qmp, VmSockets sockets) throws IOException {
        var migrations = new Migrations(qmp);
        migrations.setCapabilities(Map.of("events", true, "postcopy-ram", true));
        migrations.startIncoming("unix:" + sockets.migration());
        VmSockets.narrow(sockets.migration());
        listener.step("rehearsing the resume");
        return Resume.connect(sockets.migration().toString());
    }

    /// Returns when the guest has had its time: then its QEMU is ended, and with it the restore.
    private static void run(LazyRestore restore, RehearsalWatch watch) throws IOException {
        restore.handshake();
        try {
            restore.run(_ -> {});
        } catch (IOException e) {
            if (!watch.isWhole()) {
                throw e;
            }
        }
    }

    private RestoreListener relay(RehearsalWatch watch) {
        return new RestoreListener() {
            @Override
            public void progress(Progress progress) {
                watch.progress(progress);
                listener.progress(progress);
            }

            @Override
            public void stalled(String reason) {
                watch.stalled();
            }
        };
    }

    private Learnt learn(LazyRestore restore, RehearsalWatch.Seen seen) throws IOException {
        String image = Objects.requireNonNull(vm.record().image());
        WorkingSet set = restore.rehearsed(seen.wantedShare(), !seen.asksOn(), image);
        new WorkingSetFile(vm).write(set);
        return new Learnt(set, seen);
    }

    /// {@return whether a rehearsal was cut off, if nobody holds the VM's lock}
    static boolean isLeft(Vm vm) {
        return Files.exists(vm.folder().resolve(FOLDER));
    }

    /// Ends what is left of a rehearsal. Called with the VM's lock held; doing it twice changes nothing.
    static void clean(Home home, Vm vm) throws IOException {
        Path folder = vm.folder().resolve(FOLDER);
        if (!Files.exists(folder)) {
            return;
        }
        Path sockets = home.sockets(vm.name()).resolve(SOCKETS);
        Optional<QemuProcess> qemu = Standby.ofPidFile(new VmSockets(sockets, folder));
        if (qemu.isPresent()) {
            qemu.get().kill();
        }
        Removal.deleteFolder(home.storage(), sockets);
        Removal.deleteFolder(home.storage(), folder); // Last: by it the rest is found.
    }
}
