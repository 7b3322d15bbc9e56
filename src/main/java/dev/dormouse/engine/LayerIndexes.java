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
import java.time.Duration;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// Keeps the block indexes of a VM in step with what its QEMU writes. QEMU records what is written to each
/// layer of the VM's own from its start on, and a refresh reads only that. All of it is for speed: an index
/// that is lost or stale is made anew, and what it says is compared with the disk before it counts.
final class LayerIndexes {
    private static final Duration FLUSH_TIMEOUT = Duration.ofSeconds(60);
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

    /// Has QEMU record from now on what is written to the layers of the VM's own. Of those that have no index
    /// one can be made from now on, although they are written: it is of the state that is recorded here.
    ///
    /// @param indexed what [#indexed] said before this QEMU was started
    void track(List<BackingChain> chains, List<LayerIdentity> indexed) throws IOException {
        String bitmap = newBitmap();
        var begun = new ArrayList<WriteRecord>();
        var nodes = new LinkedHashMap<String, Layer>();
        for (int i = 0; i < chains.size(); i++) {
            VmConfig.Disk disk = config.disks().get(i);
            List<Layer> layers = chains.get(i).layers();
            for (int depth = disk.goldenLayers(); depth < layers.size(); depth++) {
                Layer layer = layers.get(depth);
                String node = QemuCommandLine.node(disk, depth);
                nodes.put(node, layer);
            }
        }
        new DirtyBitmaps(qmp).add(bitmap, List.copyOf(nodes.keySet()));
        for (Map.Entry<String, Layer> node : nodes.entrySet()) { // After it: nothing is written unrecorded.
            Optional<LayerIdentity> since = indexed.stream()
                    .filter(identity -> identity.layer().equals(node.getValue()))
                    .findFirst();
            begun.add(new WriteRecord(
                    node.getKey(), bitmap, since.isPresent() ? since.get() : LayerIdentity.of(node.getValue())));
        }
        records = new WriteRecords(records.qemu(), begun);
        save();
    }

    /// The index of the top layer of a disk.
    ///
    /// @param index the caller's to close
    /// @param written by units of 64 KiB what was written since the last call; null if that is not known
    record Refreshed(BlockIndex index, @Nullable BitSet written) {}

    /// Makes the indexes that are missing and brings that of the top layer up to date, while the guest runs:
    /// what is left for its pause is what is written until then.
    void prepare(int disk, BackingChain chain) throws IOException {
        for (Layer layer : chain.withoutTop().layers()) {
            store.open(layer, listener).index().close();
        }
        refresh(disk, chain, true).index().close();
    }

    /// Brings the index of the top layer of a disk up to date with what stands there now.
    ///
    /// @param running whether QEMU may keep to itself where in the file what it has written is
    Refreshed refresh(int disk, BackingChain chain, boolean running) throws IOException {
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
        if (running) {
            flush(node, top);
        }
        IndexStore.Opened opened = written == null
                ? store.open(top, listener)
                : store.refresh(top, ended.orElseThrow().since(), written, listener);
        records = records.with(new WriteRecord(node, bitmap, opened.identity()));
        // A refresh in the pause begins from what is complete; one that is made in the pause waits for no disk.
        BlockIndex index = opened.index();
        if (running) {
            index = store.complete(index);
            save(); // Also for a suspend that comes to nothing.
        }
        return new Refreshed(index, written == null ? null : units(written));
    }

    /// Has QEMU write out the tables of the layer: what is not in them yet we would take for unwritten, and
    /// nobody would say later that it was. The file's data is synced before, for QEMU's main loop waits for
    /// the rest.
    private void flush(String node, Layer layer) throws IOException {
        if (layer.format() == Layer.Format.RAW) {
            return;
        }
        vm.storage().force(Path.of(layer.path()));
        Map<String, String> command = Map.of("command-line", "qemu-io " + node + " flush");
        qmp.executeForAny("human-monitor-command", command, FLUSH_TIMEOUT); // It answers with a text.
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

    /// @param top of the top layer; closed with what is returned, or if this fails
    DiskIndex open(BlockIndex top, BackingChain chain, DiskView view) throws IOException {
        return DiskIndex.open(top, chain, view, store, listener);
    }

    /// Says that a top layer, which nobody writes any more, is still what it was when its index was refreshed,
    /// although QEMU has touched its file since: it does so when it lets go of it.
    void confirm(int disk, LayerIdentity now, int depth, BlockIndex top) throws IOException {
        String node = QemuCommandLine.node(config.disks().get(disk), depth - 1);
        Optional<WriteRecord> record = records.of(node);
        if (record.isPresent() && !top.isOf(now)) {
            top.confirm(now);
            records = records.with(new WriteRecord(node, record.get().bitmap(), now));
        }
    }

    /// {@return a disk that nobody writes with what tells its content from another}. Makes the indexes that are
    /// missing.
    static FrozenDisk described(Home home, QemuTools tools, FrozenDisk disk) throws IOException {
        var digests = new ArrayList<String>();
        for (LayerIdentity identity : disk.layers()) {
            try (BlockIndex index = store(home, tools)
                    .open(identity.layer(), IndexListener.NONE)
                    .index()) {
                digests.add(index.isOf(identity) ? index.digest().toString() : "");
            }
        }
        try (var view = FrozenDiskView.open(disk.chain(), tools.images())) {
            return disk.withContent(digests, view.upperLayers());
        }
    }

    /// {@return a check that reads whole layers where their files are not those that were frozen}
    static FrozenLayers.ContentCheck contentCheck(Home home, QemuTools tools, OperationListener listener) {
        return new FrozenLayers.ContentCheck() {
            @Override
            public boolean isSame(Layer layer, String digest) throws IOException {
                listener.step("comparing the content of " + layer.path() + ", which was touched since");
                try (var view = FrozenDiskView.openLayer(layer, tools.images());
                        BlockIndex index = store(home, tools)
                                .open(layer, IndexListener.NONE)
                                .index()) {
                    // What stands behind the last whole block is in no digest.
                    return view.sizeBytes() % DiskView.BLOCK_BYTES == 0
                            && index.digest().toString().equals(digest);
                }
            }

            @Override
            public boolean isSame(BackingChain chain, String upperLayers) throws IOException {
                try (var view = FrozenDiskView.open(chain, tools.images())) {
                    return view.upperLayers().equals(upperLayers);
                }
            }
        };
    }

    /// {@return the layers of a running VM of which an index can be made now, each with the state that it is
    /// made of; the other ones are being written, and nobody recorded what}
    static List<LayerIdentity> indexable(Vm vm, VmRecord record) throws IOException {
        var result = new ArrayList<LayerIdentity>();
        if (record.qemu() == null) {
            return result;
        }
        WriteRecords recorded = load(vm, record.qemu());
        VmConfig config = vm.config();
        for (int i = 0; i < record.chains().size(); i++) {
            List<Layer> layers = record.chains().get(i).layers();
            for (int depth = 0; depth < layers.size(); depth++) {
                Layer layer = layers.get(depth);
                Optional<WriteRecord> written =
                        recorded.of(QemuCommandLine.node(config.disks().get(i), depth));
                if (written.isPresent()) {
                    result.add(written.get().since());
                } else if (depth < layers.size() - 1) {
                    result.add(LayerIdentity.of(layer));
                }
            }
        }
        return result;
    }

    /// Brings the index of a layer up to date into which an overlay was merged while no QEMU ran.
    ///
    /// @param since the layer before, of which there is an index
    /// @param written all that came into it
    static void merged(Home home, QemuTools tools, LayerIdentity since, List<ByteRange> written) {
        try {
            store(home, tools)
                    .refresh(since.layer(), since, written, IndexListener.NONE)
                    .index()
                    .close();
        } catch (IOException _) {
            // Then it is made anew when it is needed.
        }
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
