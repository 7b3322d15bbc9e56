package dev.dormouse.engine;

import dev.dormouse.base.Json;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.DiskView;
import dev.dormouse.disk.FrozenDisk;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.engine.WriteRecords.WriteRecord;
import dev.dormouse.index.BlockIndex;
import dev.dormouse.index.ByteRange;
import dev.dormouse.index.DiskIndex;
import dev.dormouse.index.IndexListener;
import dev.dormouse.index.IndexStore;
import dev.dormouse.qmp.DirtyBitmaps;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.qmp.QmpException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Keeps the block indexes of a VM in step with what its QEMU writes. QEMU records what is written to each
/// layer of the VM's own from its start on, and a refresh reads only that. All of it is for speed: an index
/// that is lost or stale is made anew, and what it says is compared with the disk before it counts.
final class LayerIndexes {
    private final QemuTools tools;
    private final Vm vm;
    private final VmConfig config;
    private final IndexStore store;
    private final QmpClient qmp;
    private final IndexListener listener;
    private WriteRecords records;

    LayerIndexes(Home home, QemuTools tools, Vm vm, QmpClient qmp, ProcessRef qemu, IndexListener listener)
            throws IOException {
        this.tools = tools;
        this.vm = vm;
        this.config = vm.config();
        this.store = store(home, tools);
        this.qmp = qmp;
        this.listener = listener;
        this.records = load(vm, qemu);
    }

    static IndexStore store(Home home, QemuTools tools) {
        return new IndexStore(home.indexes(), tools.images());
    }

    /// {@return of which of the layers there is an index now; to be asked before a QEMU is started that may
    /// write them}
    static List<LayerIdentity> indexed(Home home, QemuTools tools, List<BackingChain> chains) {
        var indexed = new ArrayList<LayerIdentity>();
        for (BackingChain chain : chains) {
            for (Layer layer : chain.layers()) {
                try {
                    LayerIdentity now = LayerIdentity.of(layer);
                    Optional<BlockIndex> index = store(home, tools).find(layer);
                    if (index.isPresent()) {
                        index.get().close();
                        indexed.add(now);
                    }
                } catch (IOException _) {
                    // Then it is made anew when it is needed.
                }
            }
        }
        return indexed;
    }

    /// Has QEMU record from now on what is written to the layers of the VM's own.
    ///
    /// @param indexed what [#indexed] said before this QEMU was started
    void track(List<BackingChain> chains, List<LayerIdentity> indexed) throws IOException {
        String bitmap = newBitmap();
        var begun = new ArrayList<WriteRecord>();
        for (int i = 0; i < chains.size(); i++) {
            VmConfig.Disk disk = config.disks().get(i);
            List<Layer> layers = chains.get(i).layers();
            for (int depth = disk.goldenLayers(); depth < layers.size(); depth++) {
                Layer layer = layers.get(depth);
                String node = QemuCommandLine.node(disk, depth);
                indexed.stream()
                        .filter(identity -> identity.layer().equals(layer))
                        .forEach(identity -> begun.add(new WriteRecord(node, bitmap, identity)));
            }
        }
        new DirtyBitmaps(qmp).add(bitmap, begun.stream().map(WriteRecord::node).toList());
        records = new WriteRecords(records.qemu(), begun);
        save();
    }

    /// Brings the index of the top layer of a disk up to date with what stands there now, and makes those of
    /// the layers below it if there are none.
    ///
    /// @return by units of 64 KiB what was written since the last call; null if that is not known
    @Nullable
    BitSet refresh(int disk, BackingChain chain) throws IOException {
        String node = QemuCommandLine.node(config.disks().get(disk), chain.depth() - 1);
        Optional<WriteRecord> ended = records.of(node);
        String bitmap = newBitmap();
        List<ByteRange> written = null;
        if (ended.isPresent()) {
            written = rotate(node, ended.get().bitmap(), bitmap);
        }
        if (written == null) {
            new DirtyBitmaps(qmp).add(bitmap, List.of(node));
        }
        Layer top = chain.top();
        IndexStore.Opened opened = written == null
                ? store.open(top, listener)
                : store.refresh(top, ended.orElseThrow().since(), written, listener);
        opened.index().close();
        records = records.with(new WriteRecord(node, bitmap, opened.identity()));
        return written == null ? null : units(written);
    }

    /// {@return what was written while the record ran that ends now; null if it cannot be told}
    private @Nullable List<ByteRange> rotate(String node, String ended, String begun) throws IOException {
        var bitmaps = new DirtyBitmaps(qmp);
        try {
            bitmaps.succeed(ended, begun, node);
        } catch (QmpException _) {
            return null; // It was read in a suspend that was cut off, or its node is another one now.
        }
        var written = new ArrayList<ByteRange>();
        bitmaps.read(ended, node, vm.sockets().writes(), (socket, export) -> {
            tools.images()
                    .dirtyRanges(socket, export, ended, (start, length) -> written.add(new ByteRange(start, length)));
            return written;
        });
        bitmaps.remove(ended, node);
        return written;
    }

    private static BitSet units(List<ByteRange> ranges) {
        var units = new BitSet();
        for (ByteRange range : ranges) {
            long end = Math.ceilDiv(range.endBytes(), DirtyBitmaps.GRANULARITY_BYTES);
            units.set(Math.toIntExact(range.startBytes() / DirtyBitmaps.GRANULARITY_BYTES), Math.toIntExact(end));
        }
        return units;
    }

    /// {@return the number of the unit of 64 KiB in which a block of 4 KiB stands}
    static int unit(long block) {
        return Math.toIntExact(block / (DirtyBitmaps.GRANULARITY_BYTES / DiskView.BLOCK_BYTES));
    }

    FrozenDiskView view(BackingChain chain) throws IOException {
        return FrozenDiskView.open(chain, tools.images());
    }

    DiskIndex open(BackingChain chain, DiskView view) throws IOException {
        return DiskIndex.open(chain, view, store, listener);
    }

    /// Says that the layers are still what they were when they were indexed, although QEMU has touched their
    /// files since: it does so when it lets go of them.
    void confirm(List<BackingChain> chains) {
        for (int i = 0; i < chains.size(); i++) {
            Layer top = chains.get(i).top();
            String node =
                    QemuCommandLine.node(config.disks().get(i), chains.get(i).depth() - 1);
            Optional<WriteRecord> record = records.of(node);
            try {
                if (record.isPresent()) {
                    store.refresh(top, record.get().since(), List.of(), listener)
                            .index()
                            .close();
                }
            } catch (IOException _) {
                // Then it is made anew when it is needed.
            }
        }
    }

    /// {@return the disk, frozen now, with what its indexes know of the content of its layers}
    static FrozenDisk withDigests(Home home, QemuTools tools, FrozenDisk disk) {
        var digests = new ArrayList<String>();
        for (LayerIdentity layer : disk.layers()) {
            String digest = "";
            try {
                Optional<BlockIndex> index = store(home, tools).find(layer.layer());
                if (index.isPresent()) {
                    try (BlockIndex opened = index.get()) {
                        digest = opened.digest().toString();
                    }
                }
            } catch (IOException _) {
                // A layer of which that is not known has to stay the very same file.
            }
            digests.add(digest);
        }
        return disk.withDigests(digests);
    }

    /// {@return a check that reads a whole layer where its file is not the one that was frozen}
    static FrozenLayers.ContentCheck contentCheck(Home home, QemuTools tools, OperationListener listener) {
        return (layer, digest) -> {
            listener.step("comparing the content of " + layer.path() + ", which was touched since");
            try (BlockIndex index =
                    store(home, tools).open(layer, IndexListener.NONE).index()) {
                return index.digest().toString().equals(digest);
            }
        };
    }

    /// Forgets what the last QEMU of the VM was asked to record.
    static void forget(Vm vm) throws IOException {
        Files.deleteIfExists(file(vm));
    }

    /// Keeps what is recorded for a later suspend of the same QEMU.
    void save() {
        Path file = file(vm);
        Path aside = file.resolveSibling(file.getFileName() + ".new");
        try {
            Files.writeString(aside, Json.write(records));
            Files.move(aside, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException _) {
            // Then the indexes are made anew.
        }
    }

    private static WriteRecords load(Vm vm, ProcessRef qemu) {
        var none = new WriteRecords(qemu, List.of());
        try {
            Path file = file(vm);
            WriteRecords found = Files.exists(file) ? Json.parse(WriteRecords.class, Files.readString(file)) : none;
            return found.qemu().equals(qemu) ? found : none;
        } catch (IOException | IllegalArgumentException _) {
            return none;
        }
    }

    private static Path file(Vm vm) {
        return vm.folder().resolve("writes.json");
    }

    private static String newBitmap() {
        return "dormouse-" + UUID.randomUUID();
    }
}
