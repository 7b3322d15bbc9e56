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
            live(qemu.get());
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

    /// Merges the layers of a running VM until none of its disks has as many as there may be. Where this QEMU cannot do
    /// that safely while the guest runs, the guest stands still for the top layer of each disk: what it has written
    /// since the last resume is copied then.
    ///
    /// @return for how long it stood still, in milliseconds
    /// @throws IOException if a layer cannot be merged; the VM is settled then, and runs
    long runBeforeCapture(QemuProcess qemu) throws IOException {
        if (spare(vm.record()).isEmpty()) {
            return 0;
        }
        listener.step("merging the disks of vm " + vm.name());
        try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu)) {
            if (!isSafe(qmp)) {
                return mergeWhileItStandsStill(qmp, qemu);
            }
            mergeAll(qmp, qemu);
            return 0;
        } catch (IOException e) {
            settleAfter(e);
            throw e;
        }
    }

    private long mergeWhileItStandsStill(QmpClient qmp, QemuProcess qemu) throws IOException {
        boolean runs = "running".equals(qmp.execute("query-status").get("status"));
        save(qemu, runs); // Before it is stopped: whoever settles the VM lets it go on.
        long startNanos = System.nanoTime();
        if (runs) {
            qmp.execute("stop");
        }
        new Merge(home, tools, vm).live(qmp);
        if (runs) {
            qmp.execute("cont");
        }
        vm.deleteRestoreRecord();
        return runs ? Suspend.millisSince(startNanos) : 0;
    }

    /// By another connection: what failed may be this one.
    private void settleAfter(IOException reason) {
        try {
            new Settle(home, tools, vm).run();
        } catch (IOException e) {
            reason.addSuppressed(e);
        }
    }

    private static boolean isSafe(QmpClient qmp) throws IOException {
        return Merge.isLiveCommitSafe(QemuVersion.ofReply(qmp.execute("query-version")));
    }

    private void live(QemuProcess qemu) throws IOException {
        try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu)) {
            if (isSafe(qmp)) {
                mergeAll(qmp, qemu);
            }
        }
    }

    /// One layer of each disk at a time, recorded before as the merge at the end of a restore is, so that a merge
    /// that is cut off is settled in the same way.
    private void mergeAll(QmpClient qmp, QemuProcess qemu) throws IOException {
        List<BackingChain> before;
        do {
            before = vm.record().chains();
            save(qemu, false);
            new Merge(home, tools, vm).live(qmp);
            vm.deleteRestoreRecord();
        } while (!vm.record().chains().equals(before));
    }

    private void save(QemuProcess qemu, boolean guestStopped) throws IOException {
        List<Layer> tops = vm.record().chains().stream().map(BackingChain::top).toList();
        vm.save(RestoreRecord.ofMerge(tops, ProcessRef.of(qemu), vm.sockets(), guestStopped));
    }
}
