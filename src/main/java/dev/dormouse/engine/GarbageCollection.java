package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.GcReport.Item;
import dev.dormouse.engine.GcReport.Kind;
import dev.dormouse.index.IndexStore;
import dev.dormouse.storage.AtomicFile;
import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/// Finds what operations that were cut off have left in a home, and removes it. It removes only what it can show
/// that nobody needs: a VM is looked at under its lock and after [Settle]; what a VM, an image or a restore record
/// names stays; what a running process has open stays; and a file is looked for before it is asked who needs it, so
/// that what is made meanwhile is not among them. Images are never removed: that somebody made one is reason
/// enough.
final class GarbageCollection {
    /// An index may be of a disk that is to become a VM's; it is made again when it is missed.
    private static final Duration INDEX_AGE = Duration.ofDays(1);

    private static final String INDEX_SUFFIX = ".index";

    private final Home home;
    private final QemuTools tools;
    private final boolean dryRun;
    private final OperationListener listener;
    private final List<Item> items = new ArrayList<>();
    private final List<String> passedOver = new ArrayList<>();
    private final Set<String> busyImages = new HashSet<>();
    private final Set<String> unreadable = new HashSet<>();

    GarbageCollection(Home home, QemuTools tools, boolean dryRun, OperationListener listener) {
        this.home = home;
        this.tools = tools;
        this.dryRun = dryRun;
        this.listener = listener;
    }

    GcReport run() throws IOException {
        List<Path> images = files(home.images());
        List<Path> indexes = files(home.indexes());
        List<Path> runtimes = files(home.runtime());
        List<Path> vms = files(home.vms());
        for (Path folder : vms) {
            collectVm(folder);
        }
        collectImages(images);
        collectIndexes(indexes);
        collectRuntimes(runtimes);
        long freedBytes = items.stream().mapToLong(Item::bytes).sum();
        return new GcReport(dryRun, items, freedBytes, passedOver);
    }

    private static List<Path> files(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            return files.sorted().toList();
        }
    }

    private void collectVm(Path folder) throws IOException {
        String name = folder.getFileName().toString();
        if (!Files.exists(folder.resolve("state.json"))) {
            collectHalfVm(folder);
            return;
        }
        if (!Home.isName(name)) {
            return; // Copied aside by somebody.
        }
        Vm vm = Vm.open(home, name);
        List<Path> disks = files(home.disks(name));
        List<Path> own = files(folder);
        Optional<VmLock> lock = VmLock.tryAcquire(vm, "gc");
        if (lock.isEmpty()) {
            // What it writes aside is needed; its record names the image since before it began.
            addBusyImage(vm);
            passedOver.add("vm %s: busy".formatted(name));
            return;
        }
        try (VmLock _ = lock.get()) {
            collect(vm, disks, own);
        } catch (IOException e) {
            addBusyImage(vm);
            passedOver.add(String.valueOf(e.getMessage()));
        }
    }

    /// Of one whose record cannot be read each image counts whose name begins as those of the VM do.
    private void addBusyImage(Vm vm) {
        try {
            Optional.ofNullable(vm.record().image()).ifPresent(busyImages::add);
        } catch (IOException _) {
            unreadable.add(vm.name());
        }
    }

    private void collect(Vm vm, List<Path> disks, List<Path> own) throws IOException {
        if (!dryRun) {
            new Settle(home, tools, vm).run();
        }
        VmRecord record = vm.record();
        if (!isResting(record.state()) || vm.restoreRecord().isPresent()) {
            Optional.ofNullable(record.image()).ifPresent(busyImages::add);
            passedOver.add("vm %s: %s was cut off, and is carried on or ended by the next command for it"
                    .formatted(vm.name(), record.state().name().toLowerCase(Locale.ROOT)));
            return;
        }
        for (Path file : own) {
            if (AtomicFile.isTemporary(file) || file.toString().endsWith(".new")) {
                remove(Kind.TEMPORARY_FILE, file);
            }
        }
        collectOverlays(vm, record, disks);
        // Without a dry run the one that waits has been ended by now.
        if (vm.qemu(record).isEmpty() && new Standby(vm).find(record).isEmpty()) {
            collectSockets(vm);
        }
        new LayerCollapse(home, tools, vm, dryRun, listener).run().forEach(items::add);
    }

    private static boolean isResting(VmState state) {
        return switch (state) {
            case STOPPED, RUNNING, SUSPENDED, CRASHED -> true;
            case SUSPENDING, CHECKPOINTING, RESTORING -> false;
        };
    }

    /// Only what is named as we name overlays: anything else was put there by somebody else, and what is aside is
    /// for a person to look at.
    private void collectOverlays(Vm vm, VmRecord record, List<Path> disks) throws IOException {
        Set<String> ids = new HashSet<>();
        vm.config().disks().forEach(disk -> ids.add(disk.id()));
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            for (Path file : disks) {
                String name = file.getFileName().toString();
                boolean ours = name.matches("[a-z0-9]+(-[0-9]+)?\\.qcow2")
                        && ids.contains(name.replaceAll("(-[0-9]+)?\\.qcow2", ""));
                var layer = new Layer(file.toString(), Layer.Format.QCOW2);
                // No name of a VM: its own need of the layer counts, too.
                if (ours
                        && !record.overlays().contains(layer)
                        && new Layers(home).pinnedBy(layer, "").isEmpty()) {
                    remove(Kind.OVERLAY, file);
                }
            }
        }
    }

    private void collectSockets(Vm vm) throws IOException {
        if (!dryRun) {
            LayerServers.endLeft(vm);
        }
        for (Path file : files(vm.sockets().runtime())) {
            remove(Kind.SOCKET, file);
        }
    }

    /// A VM that is being created has its folder locked, and a clone is made under the lock of the images.
    private void collectHalfVm(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            Optional<VmLock> lock = VmLock.tryAcquire(folder, "gc");
            if (lock.isEmpty()) {
                passedOver.add("%s: is being created".formatted(folder));
                return;
            }
            try (VmLock _ = lock.get()) {
                if (!Files.exists(folder.resolve("state.json")) && !isNeededFromOutside(folder)) {
                    removeFolder(Kind.HALF_VM, folder);
                }
            }
        }
    }

    private boolean isNeededFromOutside(Path folder) throws IOException {
        for (Path file : files(folder.resolve("disks"))) {
            Optional<String> need = new Layers(home).pinnedBy(new Layer(file.toString(), Layer.Format.QCOW2), "");
            if (need.isPresent()) {
                passedOver.add("%s: %s needs it".formatted(file, need.get()));
                return true;
            }
        }
        return false;
    }

    private void collectImages(List<Path> images) throws IOException {
        for (Path file : images) {
            String name = file.getFileName().toString();
            boolean busy = busyImages.stream().anyMatch(id -> name.startsWith(id + Home.IMAGE_SUFFIX))
                    || unreadable.stream().anyMatch(vm -> name.startsWith(vm + "-"));
            if (AtomicFile.isTemporary(file) && !busy) {
                remove(Kind.TEMPORARY_FILE, file);
            }
        }
    }

    private void collectIndexes(List<Path> indexes) throws IOException {
        Set<Path> known = knownIndexes();
        for (Path file : indexes) {
            String name = file.getFileName().toString();
            int end = name.indexOf(INDEX_SUFFIX);
            if (end < 0) {
                continue;
            }
            Path index = file.resolveSibling(name.substring(0, end) + INDEX_SUFFIX);
            if (AtomicFile.isTemporary(file)) {
                removeIndex(Kind.TEMPORARY_FILE, file, index);
            } else if (!known.contains(index) && isOld(index)) {
                removeIndex(Kind.INDEX, file, index);
            }
        }
    }

    /// Whoever builds an index holds its lock.
    private void removeIndex(Kind kind, Path file, Path index) throws IOException {
        Path lockFile = index.resolveSibling(index.getFileName() + ".lock");
        if (!Files.exists(lockFile)) {
            remove(kind, file);
            return;
        }
        Optional<OfdLock> lock = OfdLock.tryExclusive(lockFile, OfdLock.Range.ofByte(0));
        if (lock.isPresent()) {
            try (OfdLock _ = lock.get()) {
                removeUnlessOpen(kind, file, OpenFiles.now(), file.equals(lockFile));
            }
        }
    }

    private static boolean isOld(Path file) throws IOException {
        return !Files.exists(file)
                || Files.getLastModifiedTime(file)
                        .toInstant()
                        .isBefore(Instant.now().minus(INDEX_AGE));
    }

    /// {@return the indexes of all layers that a VM or an image names}
    private Set<Path> knownIndexes() throws IOException {
        IndexStore store = LayerIndexes.store(home, tools);
        var known = new HashSet<Path>();
        for (String name : home.vmNames()) {
            try {
                VmRecord record = Vm.open(home, name).record();
                add(store, record.chains(), known);
                record.overlays().forEach(overlay -> known.add(store.file(overlay)));
            } catch (IOException _) {
                // Gone since, or damaged: its indexes are made again when it is mended.
            }
        }
        for (String id : home.imageIds()) {
            try {
                add(store, new Images(home).metadata(home.image(id)).chains(), known);
            } catch (IOException _) {
                // A damaged image: its indexes are made again when it is mended.
            }
        }
        return known;
    }

    private static void add(IndexStore store, List<BackingChain> chains, Set<Path> known) {
        chains.forEach(chain -> chain.layers().forEach(layer -> known.add(store.file(layer))));
    }

    private void collectRuntimes(List<Path> runtimes) throws IOException {
        for (Path folder : runtimes) {
            String name = folder.getFileName().toString();
            boolean ofDaemon = name.startsWith(".");
            if (Files.isDirectory(folder) && !ofDaemon && !Files.exists(home.vm(name))) {
                removeFolder(Kind.RUNTIME_FOLDER, folder);
            }
        }
    }

    private void removeFolder(Kind kind, Path folder) throws IOException {
        if (OpenFiles.now().containsAnyIn(folder, folder.resolve("lock"))) {
            passedOver.add("%s: a running process uses it".formatted(folder));
            return;
        }
        long bytes = 0;
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                bytes += bytes(file);
            }
        }
        items.add(new Item(kind, folder.toString(), bytes));
        if (!dryRun) {
            Removal.deleteFolder(home.storage(), folder);
        }
    }

    private void remove(Kind kind, Path file) throws IOException {
        removeUnlessOpen(kind, file, OpenFiles.now(), false);
    }

    private void removeUnlessOpen(Kind kind, Path file, OpenFiles open, boolean openByUs) throws IOException {
        if (!Files.exists(file)) {
            return; // It was removed since it was found.
        }
        if (open.contains(file) && !openByUs) {
            passedOver.add("%s: a running process uses it".formatted(file));
            return;
        }
        items.add(new Item(kind, file.toString(), bytes(file)));
        if (!dryRun) {
            home.storage().deleteIfExists(file);
        }
    }

    private static long bytes(Path file) throws IOException {
        return Files.isRegularFile(file) ? Files.size(file) : 0;
    }
}
