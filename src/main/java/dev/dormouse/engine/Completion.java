package dev.dormouse.engine;

import dev.dormouse.disk.Layer;
import dev.dormouse.engine.RestoreRecord.Phase;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuVersion;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.restore.RestoreStep;
import java.io.IOException;
import java.util.List;

/// The end of a restore: every page is placed, so the VM needs its image no more.
final class Completion {
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private final OperationListener listener;

    Completion(Home home, QemuTools tools, Vm vm) {
        this(home, tools, vm, OperationListener.NONE);
    }

    Completion(Home home, QemuTools tools, Vm vm, OperationListener listener) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
        this.listener = listener;
    }

    /// Each step is recorded before the next one begins, and doing one again does no harm.
    ///
    /// @param frozen our locks on the layers of the image, released before anything is merged into them
    void complete(QmpClient qmp, RestoreRecord restore, VmRecord record, FrozenLayers frozen) throws IOException {
        new Migrations(qmp).resetCapabilities();
        boolean spent = decide(restore);
        listener.reached(RestoreStep.COMPLETE);
        VmRecord running = record.withChains(record.chainsWithOverlays()).withImage(null, List.<Layer>of());
        vm.enter(VmState.RUNNING, running);
        listener.reached(RestoreStep.RUNNING);
        frozen.close();
        if (spent) {
            dropImage(restore.image());
            listener.reached(RestoreStep.DROPPED);
            new Merge(home, tools, vm).live(qmp, QemuVersion.ofReply(qmp.execute("query-version")));
        } else {
            new CopiesFile(vm).delete();
        }
        listener.reached(RestoreStep.MERGED);
        vm.deleteRestoreRecord();
    }

    /// Records whether the image is spent. Another VM may have been made of it since the restore began; from
    /// the record on it is not found any more.
    private boolean decide(RestoreRecord restore) throws IOException {
        try (ImagesLock _ = ImagesLock.acquire(home)) {
            Images.Users users = new Images(home).usersOf(restore.image());
            boolean keep = restore.keepImage() || users.names().size() > 1;
            List<String> unreadable = users.unreadable();
            if (!unreadable.isEmpty()) {
                listener.step("keeping the image %s, which vm %s may need: its state cannot be read"
                        .formatted(restore.image(), String.join(", ", unreadable)));
            }
            vm.save(restore.with(keep ? Phase.COMPLETE : Phase.MERGING));
            return !keep;
        }
    }

    /// Removes an image that is spent, or was never published, with what was copied for it.
    void dropImage(String id) throws IOException {
        new CopiesFile(vm).delete();
        home.storage().deleteIfExists(home.image(id));
        home.storage().forceDirectory(home.images());
    }
}
