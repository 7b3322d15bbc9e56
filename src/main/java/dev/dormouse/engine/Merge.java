package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.disk.LayerIdentity;
import dev.dormouse.index.ByteRange;
import dev.dormouse.qmp.BlockJobs;
import dev.dormouse.qmp.CommitJob;
import dev.dormouse.qmp.QemuVersion;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Merges the overlays of a VM back into the layers below them, where nobody else needs those. The pivot
/// rule: a crash before the record "current = base" boots the overlay, after it the base; at the moment
/// of the record both show the same bytes.
final class Merge {
    private static final Duration TIMEOUT = Duration.ofMinutes(30);
    /// Live commits of 10.0 before this one can lose what the guest writes while the job starts.
    private static final QemuVersion LIVE_COMMIT_BROKEN_FROM = new QemuVersion(10, 0, 0, "10.0.0");

    private static final QemuVersion LIVE_COMMIT_FIXED_IN = new QemuVersion(10, 0, 10, "10.0.10");
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final VmConfig config;
    private final Layers layers;

    Merge(Home home, QemuTools tools, Vm vm) throws IOException {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.config = vm.config();
        this.layers = new Layers(home);
    }

    static boolean isLiveCommitSafe(QemuVersion version) {
        return version.compareTo(LIVE_COMMIT_BROKEN_FROM) < 0 || version.compareTo(LIVE_COMMIT_FIXED_IN) >= 0;
    }

    /// Merges the top overlay of every disk while the guest runs. Does nothing where the layer below is
    /// pinned, or where this QEMU cannot do it safely: then it is done when the VM is stopped.
    void live(QmpClient qmp, QemuVersion version) throws IOException {
        if (isLiveCommitSafe(version)) {
            live(qmp);
        }
    }

    /// As [#live(QmpClient,QemuVersion)], where the caller has seen to it that it is safe: by the version, or because
    /// the guest stands still.
    void live(QmpClient qmp) throws IOException {
        for (int i = 0; i < config.disks().size(); i++) {
            BackingChain chain = vm.record().chains().get(i);
            if (layers.isMergeable(config.disks().get(i), chain, vm.name())) {
                live(qmp, i, chain);
            }
        }
    }

    private void live(QmpClient qmp, int index, BackingChain chain) throws IOException {
        VmConfig.Disk disk = config.disks().get(index);
        int top = chain.depth() - 1;
        BackingChain shorter = chain.withoutTop();
        String topNode = QemuCommandLine.node(disk, top);
        String baseNode = QemuCommandLine.node(disk, top - 1);
        // QEMU syncs both while its main loop, and so the guest, stands still: leave it little to write.
        vm.storage().force(Path.of(chain.top().path()));
        vm.storage().force(Path.of(shorter.top().path()));
        try {
            new BlockJobs(qmp).merge(jobId(disk), topNode, baseNode, TIMEOUT, () -> {
                vm.storage().force(Path.of(shorter.top().path()));
                saveChain(index, shorter);
            });
        } catch (IOException e) {
            if (Overlays.isInUse(qmp, topNode)) {
                saveChain(index, chain);
            }
            throw e;
        }
        qmp.execute("blockdev-del", Map.of("node-name", topNode));
        vm.storage().deleteIfExists(Path.of(chain.top().path()));
        new Indexes(home, tools).removeOfGone(vm.folder());
    }

    /// Ends merges that were cut off: before the record they are called off, after it they are finished.
    /// Then the record says what QEMU uses.
    ///
    /// @param overlays the overlays that were to be merged
    void settle(QmpClient qmp, List<Layer> overlays) throws IOException {
        for (int i = 0; i < config.disks().size(); i++) {
            VmConfig.Disk disk = config.disks().get(i);
            BackingChain chain = vm.record().chains().get(i);
            boolean recorded = !chain.layers().contains(overlays.get(i));
            BackingChain longer = recorded ? chain.with(overlays.get(i)) : chain;
            endJob(qmp, disk, recorded);
            String topNode = QemuCommandLine.node(disk, longer.depth() - 1);
            boolean merged = !Overlays.isInUse(qmp, topNode);
            if (merged) {
                Overlays.deleteNode(qmp, topNode);
            }
            if (merged != recorded) {
                saveChain(i, merged ? longer.withoutTop() : longer);
            }
        }
    }

    private static void endJob(QmpClient qmp, VmConfig.Disk disk, boolean recorded) throws IOException {
        Optional<CommitJob> job = new BlockJobs(qmp).find(jobId(disk));
        if (job.isPresent() && recorded && job.get().status().equals("pending")) {
            job.get().finalizeJob(TIMEOUT);
            job.get().dismiss();
        } else if (job.isPresent()) {
            job.get().cancel(TIMEOUT);
        }
    }

    private static String jobId(VmConfig.Disk disk) {
        return "merge-" + disk.id();
    }

    /// Merges all that can be merged of a VM that has no QEMU and no image.
    void offline() throws IOException {
        for (int i = 0; i < config.disks().size(); i++) {
            BackingChain chain = vm.record().chains().get(i);
            while (layers.isMergeable(config.disks().get(i), chain, vm.name())) {
                chain = offline(i, chain);
            }
        }
        new Indexes(home, tools).removeOfGone(vm.folder());
    }

    private BackingChain offline(int index, BackingChain chain) throws IOException {
        BackingChain shorter = chain.withoutTop();
        List<LayerIdentity> indexed =
                LayerIndexes.indexed(home, tools, List.of(new BackingChain(List.of(shorter.top()))));
        var written = new ArrayList<ByteRange>();
        if (!indexed.isEmpty()) {
            tools.images().presentRanges(chain.top(), (start, length) -> ByteRange.append(written, start, length));
        }
        tools.images().commit(Path.of(chain.top().path()));
        vm.storage().force(Path.of(shorter.top().path()));
        saveChain(index, shorter);
        vm.storage().deleteIfExists(Path.of(chain.top().path()));
        if (!indexed.isEmpty()) {
            LayerIndexes.merged(home, tools, indexed.getFirst(), written);
        }
        return shorter;
    }

    private void saveChain(int index, BackingChain chain) throws IOException {
        VmRecord record = vm.record();
        var chains = new ArrayList<>(record.chains());
        chains.set(index, chain);
        vm.save(record.withChains(chains));
    }
}
