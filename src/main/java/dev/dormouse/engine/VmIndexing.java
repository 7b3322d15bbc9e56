package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.index.IndexListener;
import dev.dormouse.index.IndexStore;
import dev.dormouse.storage.Libc;
import dev.dormouse.storage.OfdLock;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/// Makes the indexes of a running VM's layers that are missing, without the lock of the VM, so that everything
/// else may be done with it meanwhile; a suspend that needs one of them waits for it before it stops the guest.
/// Ends by itself when the VM's QEMU has ended. One process does it at a time, others do nothing.
///
/// The layer that the guest writes is indexed, too, as one of the state from which on QEMU has recorded its
/// writes ([LayerIndexes#track]): whatever was read while it was being written is read again at the next
/// refresh.
final class VmIndexing {
    private static final OfdLock.Range WHOLE = OfdLock.Range.ofByte(0);
    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(200);
    private static final long END_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final IndexStore store;
    private final Vm vm;
    private final Indexes.Progress progress;
    private final Cancellation cancellation;
    private final AtomicLong lookedNanos = new AtomicLong(System.nanoTime() - LOOK_NANOS);
    private volatile boolean vmEnded;
    private long shownNanos; // Guarded by this.

    VmIndexing(Home home, QemuTools tools, Vm vm, Indexes.Progress progress, Cancellation cancellation) {
        this.store = LayerIndexes.store(home, tools);
        this.vm = vm;
        this.progress = progress;
        this.cancellation = cancellation;
    }

    /// {@return whether any index is missing that can be made now}
    boolean isNeeded() throws IOException {
        VmRecord record = vm.record();
        for (LayerIdentity layer : LayerIndexes.indexable(vm, record)) {
            if (!store.isReady(layer)) {
                return true;
            }
        }
        return false;
    }

    /// Makes what is missing, one layer after the other, the bottom one first: others may share it.
    ///
    /// @param idle whether to work only when nobody else needs the processor or the disk
    /// @return what was made or found; nothing if the VM does not run, or another process is at it
    List<IndexReport.IndexedLayer> run(boolean idle) throws IOException {
        var reports = new ArrayList<IndexReport.IndexedLayer>();
        Optional<OfdLock> lock = tryLock();
        if (lock.isEmpty()) {
            return reports;
        }
        if (idle) {
            Libc.workInTheBackground();
        }
        try (OfdLock _ = lock.get()) {
            VmRecord record = vm.record();
            for (LayerIdentity layer : LayerIndexes.indexable(vm, record)) {
                long start = System.nanoTime();
                IndexStore.Opened opened = store.prepare(layer, listener(layer.layer(), record));
                reports.add(Indexes.report(layer.layer(), opened, start));
            }
        } catch (IOException e) {
            cancellation.check("index of vm " + vm.name(), "what is complete stays");
            if (!vmEnded) {
                throw e;
            }
        } finally {
            Files.deleteIfExists(statusFile(vm));
        }
        return reports;
    }

    private IndexListener listener(Layer layer, VmRecord started) {
        return new IndexListener() {
            @Override
            public void progress(long doneBytes, long totalBytes) {
                show(new VmStatus.Indexing(layer.path(), doneBytes, totalBytes));
                progress.update(layer, doneBytes, totalBytes);
            }

            @Override
            public boolean isCancelled() {
                return cancellation.isWanted() || hasEnded(started);
            }
        };
    }

    /// Looked at now and then: it costs a few reads of files.
    private boolean hasEnded(VmRecord started) {
        long now = System.nanoTime();
        long looked = lookedNanos.get();
        if (!vmEnded && now - looked >= LOOK_NANOS && lookedNanos.compareAndSet(looked, now)) {
            try {
                VmRecord record = vm.record();
                vmEnded = !Objects.equals(record.qemu(), started.qemu())
                        || vm.qemu(record).isEmpty();
            } catch (IOException _) {
                vmEnded = true; // It was removed.
            }
        }
        return vmEnded;
    }

    private synchronized void show(VmStatus.Indexing status) {
        long now = System.nanoTime();
        if (now - shownNanos < LOOK_NANOS) {
            return;
        }
        shownNanos = now;
        try {
            Path aside = statusFile(vm).resolveSibling("indexing.json.new");
            Files.writeString(aside, Json.write(status));
            Files.move(aside, statusFile(vm), StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException _) {
            // Only a display.
        }
    }

    /// {@return what is being indexed for the VM now}
    static Optional<VmStatus.Indexing> status(Vm vm) {
        try {
            return Files.exists(statusFile(vm)) && isUnderWay(vm)
                    ? Optional.of(Json.parse(VmStatus.Indexing.class, Files.readString(statusFile(vm))))
                    : Optional.empty();
        } catch (IOException | IllegalArgumentException _) {
            return Optional.empty();
        }
    }

    /// Waits until nobody makes indexes for a VM any more that has no QEMU; not for ever.
    static void awaitEnd(Vm vm) throws IOException {
        long end = System.nanoTime() + END_NANOS;
        while (isUnderWay(vm) && System.nanoTime() - end < 0) {
            VmLock.sleep();
        }
    }

    private static boolean isUnderWay(Vm vm) throws IOException {
        return Files.exists(lockFile(vm)) && OfdLock.isHeld(lockFile(vm), WHOLE);
    }

    private Optional<OfdLock> tryLock() throws IOException {
        try {
            Files.createFile(lockFile(vm));
        } catch (FileAlreadyExistsException _) {
            // Of an earlier time.
        }
        return OfdLock.tryExclusive(lockFile(vm), WHOLE);
    }

    private static Path lockFile(Vm vm) {
        return vm.folder().resolve("indexing.lock");
    }

    private static Path statusFile(Vm vm) {
        return vm.folder().resolve("indexing.json");
    }
}
