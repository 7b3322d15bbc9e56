package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.GcReport.Item;
import dev.dormouse.engine.GcReport.Kind;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QemuVersion;
import dev.dormouse.qmp.QmpClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Merges the overlays of a resting VM into the layers below them, as far as nobody else needs those. An image
/// needs all layers up to one; so what is not needed lies above that, and merging from the top leaves none of it.
final class LayerCollapse {
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final boolean dryRun;
    private final OperationListener listener;

    LayerCollapse(Home home, QemuTools tools, Vm vm, boolean dryRun, OperationListener listener) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.dryRun = dryRun;
        this.listener = listener;
    }

    /// {@return the layers that were merged away, or would be}
    List<Item> run() throws IOException {
        return run(false);
    }

    /// As [#run()], but the guest stands still meanwhile where this QEMU cannot merge its disks safely otherwise. It
    /// would have to stop soon anyway.
    void runBeforeCapture() throws IOException {
        run(true);
    }

    private List<Item> run(boolean mayPause) throws IOException {
        VmRecord record = vm.record();
        Optional<QemuProcess> qemu = vm.qemu(record);
        if (record.state() != VmState.STOPPED && (record.state() != VmState.RUNNING || qemu.isEmpty())) {
            return List.of();
        }
        List<Item> spare = spare(record);
        if (dryRun || spare.isEmpty()) {
            return spare;
        }
        listener.step("merging the disks of vm " + vm.name());
        if (qemu.isPresent()) {
            live(qemu.get(), mayPause);
        } else {
            new Merge(home, tools, vm).offline();
        }
        List<BackingChain> chains = vm.record().chains();
        return spare.stream()
                .filter(item -> !Layers.contains(chains, new Layer(item.path(), Layer.Format.QCOW2)))
                .toList();
    }

    private List<Item> spare(VmRecord record) throws IOException {
        var spare = new ArrayList<Item>();
        var layers = new Layers(home);
        VmConfig config = vm.config();
        for (int i = 0; i < config.disks().size(); i++) {
            BackingChain chain = record.chains().get(i);
            while (layers.isMergeable(config.disks().get(i), chain, vm.name())) {
                Path top = Path.of(chain.top().path());
                spare.add(new Item(Kind.LAYER, top.toString(), Files.size(top)));
                chain = chain.withoutTop();
            }
        }
        return spare;
    }

    /// One layer of each disk at a time, recorded before as the merge at the end of a restore is, so that a merge
    /// that is cut off is settled in the same way.
    private void live(QemuProcess qemu, boolean mayPause) throws IOException {
        try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu)) {
            boolean safe = Merge.isLiveCommitSafe(QemuVersion.ofReply(qmp.execute("query-version")));
            if (!safe && !mayPause) {
                return;
            }
            save(qemu); // Before the guest is stopped: whoever settles it lets the guest go on.
            if (!safe) {
                qmp.execute("stop");
            }
            try {
                mergeAll(qmp, qemu);
            } finally {
                if (!safe) {
                    qmp.execute("cont");
                }
            }
            vm.deleteRestoreRecord();
        }
    }

    private void mergeAll(QmpClient qmp, QemuProcess qemu) throws IOException {
        List<BackingChain> before;
        do {
            before = vm.record().chains();
            save(qemu);
            new Merge(home, tools, vm).live(qmp);
        } while (!vm.record().chains().equals(before));
    }

    private void save(QemuProcess qemu) throws IOException {
        List<Layer> tops = vm.record().chains().stream().map(BackingChain::top).toList();
        vm.save(RestoreRecord.ofMerge(tops, ProcessRef.of(qemu), vm.sockets()));
    }
}
