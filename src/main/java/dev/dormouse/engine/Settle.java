package dev.dormouse.engine;

import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.Layer;
import dev.dormouse.engine.RestoreRecord.Phase;
import dev.dormouse.qmp.Migrations;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.storage.AtomicFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// Brings a VM whose operation was cut off, or whose QEMU has ended, into one of the resting states, by the
/// table in `docs/states.md`. Called with the lock held, so whoever was at work is gone. Doing it twice
/// changes nothing.
final class Settle {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private final Home home;
    private final QemuTools tools;
    private final Vm vm;
    private boolean standbyStays;

    Settle(Home home, QemuTools tools, Vm vm) {
        this.home = home;
        this.tools = tools;
        this.vm = vm;
    }

    /// As [#run()], but a QEMU that waits for a resume goes on waiting.
    void runBesideStandby() throws IOException {
        standbyStays = true;
        run();
    }

    void run() throws IOException {
        Rehearsal.clean(home, vm);
        VmRecord record = vm.record();
        Optional<QemuProcess> qemu = vm.qemu(record);
        switch (record.state()) {
            case STOPPED -> settleStopped(record);
            case SUSPENDED -> settleSuspended(record, qemu);
            case CRASHED -> putBack(record.overlays());
            case RUNNING -> settleRunning(qemu);
            case SUSPENDING, CHECKPOINTING -> settleCapture(record, qemu);
            case RESTORING -> settleRestore(record, qemu);
        }
        deleteTemporaries(vm.folder(), "");
    }

    /// {@return what a person can do about the VM as it is now}
    String advice() throws IOException {
        String name = vm.name();
        VmRecord record = vm.record();
        return switch (record.state()) {
            case SUSPENDED -> "nothing is lost, 'dormouse resume %s' tries again".formatted(name);
            case CRASHED ->
                "its disk was written since: 'dormouse start %s' boots the newest files, 'dormouse resume --discard-changes %s' goes back to %s"
                        .formatted(name, name, lostTime(record));
            case STOPPED -> "'dormouse start %s' boots it".formatted(name);
            case RUNNING -> "it runs";
            case RESTORING ->
                "the guest waits for its pages: 'dormouse resume %s' carries on, 'dormouse stop --force %s' gives up what it did since"
                        .formatted(name, name);
            default -> "'dormouse show %s' says what it is doing".formatted(name);
        };
    }

    /// {@return what going back to the image of a crashed VM costs}
    private String lostTime(VmRecord record) {
        try {
            String created = new Images(home)
                    .metadata(home.image(String.valueOf(record.image())))
                    .created();
            return "its image of %s, and what the guest did since, until %s, is lost"
                    .formatted(created, record.since());
        } catch (IOException e) {
            return "its image, which cannot be read now: " + ErrorText.of(e);
        }
    }

    /// {@return whether RUN may have reached QEMU in the restore that is recorded}
    boolean guestMayHaveRun() throws IOException {
        return vm.restoreRecord()
                .map(restore -> restore.phase().compareTo(Phase.RUNNING) >= 0)
                .orElse(true);
    }

    /// A start that was cut off may have left a QEMU that boots: it is the VM's.
    private void settleStopped(VmRecord record) throws IOException {
        Optional<QemuProcess> unrecorded = unrecorded(record);
        if (unrecorded.isPresent()) {
            vm.enter(VmState.RUNNING, record.withQemu(ProcessRef.of(unrecorded.get())));
        }
    }

    /// Its image is published, so what is left of QEMU must never run again.
    private void settleSuspended(VmRecord record, Optional<QemuProcess> qemu) throws IOException {
        Optional<QemuProcess> left = qemu.isPresent() || standbyStays ? qemu : new Standby(vm).find(record);
        if (left.isPresent()) {
            left.get().terminate(TIMEOUT);
        }
        if (record.qemu() != null) {
            vm.save(record.withQemu(null));
        }
        if (vm.restoreRecord().isPresent()) { // Of a resume that was cut off before it began.
            vm.deleteRestoreRecord();
        }
    }

    /// Of a return to the image that was cut off before it was recorded: what was set aside is the newest files.
    private void putBack(List<Layer> overlays) throws IOException {
        for (Layer overlay : overlays) {
            Path file = Path.of(overlay.path());
            Optional<Path> aside = Files.exists(file) ? Optional.empty() : latestAside(file);
            if (aside.isPresent()) {
                home.storage().moveAtomically(aside.get(), file);
                home.storage().forceDirectory(vm.disks());
            }
        }
    }

    private Optional<Path> latestAside(Path overlay) throws IOException {
        try (Stream<Path> files = Files.list(vm.disks())) {
            return files.filter(file -> file.getFileName().toString().startsWith(overlay.getFileName() + Start.ASIDE))
                    .max(Comparator.naturalOrder());
        }
    }

    private void settleRunning(Optional<QemuProcess> qemu) throws IOException {
        Optional<RestoreRecord> restore = vm.restoreRecord();
        if (restore.isPresent()) { // The page server was cut off while it dropped the image and merged.
            if (restore.get().hasSpentImage()) {
                new Completion(home, tools, vm).dropImage(restore.get().image());
            }
            settleMerge(restore.get(), qemu);
            vm.deleteRestoreRecord();
        } else if (vm.record().image() != null) {
            new Start(home, tools, vm).endDiscard(qemu);
        }
        if (qemu.isEmpty()) {
            vm.enter(VmState.STOPPED, vm.record().withQemu(null));
        }
    }

    /// Brings the record and a merge that was cut off together. Without a QEMU the record is right, by the
    /// pivot rule.
    private void settleMerge(RestoreRecord restore, Optional<QemuProcess> qemu) throws IOException {
        if (qemu.isPresent()) {
            try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu.get())) {
                new Merge(home, tools, vm).settle(qmp, restore.overlays());
                if (restore.guestStopped()) {
                    qmp.execute("cont");
                }
            }
        }
        Overlays.deleteUnused(home.storage(), restore.overlays(), vm.record().chains());
    }

    /// An image that has its final name is complete and counts; what is left of QEMU is let go. Without it
    /// the VM runs on.
    private void settleCapture(VmRecord record, Optional<QemuProcess> qemu) throws IOException {
        boolean published = record.image() != null && Files.exists(home.image(record.image()));
        deleteTemporaries(home.images(), record.image() + Home.IMAGE_SUFFIX + ".");
        if (record.state() == VmState.SUSPENDING && published) {
            VmRecord suspended = vm.enter(VmState.SUSPENDED, record);
            if (qemu.isPresent()) {
                qemu.get().terminate(TIMEOUT);
            }
            vm.save(suspended.withQemu(null));
            return;
        }
        if (qemu.isPresent()) {
            goOn(record, qemu.get());
            return;
        }
        boolean written = record.state() == VmState.CHECKPOINTING && isAnyWritten(record.overlays());
        List<BackingChain> chains = written || published ? record.chainsWithOverlays() : record.chains();
        vm.enter(
                VmState.STOPPED,
                record.withChains(chains).withImage(null, List.of()).withQemu(null));
        Overlays.deleteUnused(home.storage(), record.overlays(), chains);
    }

    private void goOn(VmRecord record, QemuProcess qemu) throws IOException {
        try (QmpClient qmp = new QemuStarter(tools, vm).connect(qemu)) {
            var migrations = new Migrations(qmp);
            if (migrations.isUnderWay()) {
                migrations.cancel(TIMEOUT);
            }
            List<BackingChain> chains = Overlays.backOut(qmp, vm.config(), record.chains(), record);
            qmp.execute("cont", Map.of(), TIMEOUT); // First, for whoever finds it running does not do it.
            vm.enter(VmState.RUNNING, record.withChains(chains).withImage(null, List.of()));
            Overlays.deleteUnused(home.storage(), record.overlays(), chains);
        }
    }

    private void settleRestore(VmRecord record, Optional<QemuProcess> qemu) throws IOException {
        if (qemu.isPresent() && isComplete()) {
            List<BackingChain> chains = record.chainsWithOverlays();
            VmRecord running = record.withChains(chains).withImage(null, List.of());
            vm.enter(VmState.RUNNING, running);
            settleRunning(qemu);
            return;
        }
        if (qemu.isPresent() && guestMayHaveRun()) {
            return; // It waits for its pages; only a page server can help it.
        }
        Optional<QemuProcess> left = qemu.isPresent() ? qemu : unrecorded(record);
        if (left.isPresent()) {
            left.get().terminate(TIMEOUT);
        }
        VmState next = isAnyWritten(record.overlays()) ? VmState.CRASHED : VmState.SUSPENDED;
        vm.enter(next, record.withQemu(null));
        vm.deleteRestoreRecord();
    }

    private boolean isComplete() throws IOException {
        return vm.restoreRecord()
                .map(restore -> restore.phase().compareTo(Phase.COMPLETE) >= 0)
                .orElse(false);
    }

    /// {@return the QEMU that was started just before a crash, before its process could be recorded; it
    /// has written a pid file}
    private Optional<QemuProcess> unrecorded(VmRecord record) throws IOException {
        return record.qemu() == null ? Standby.ofPidFile(vm.sockets()) : Optional.empty();
    }

    /// Files written aside by a process that is gone: whoever writes holds the lock that we hold.
    private void deleteTemporaries(Path folder, String prefix) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                if (AtomicFile.isTemporary(file)
                        && file.getFileName().toString().startsWith(prefix)) {
                    home.storage().deleteIfExists(file);
                }
            }
        }
    }

    private boolean isAnyWritten(List<Layer> overlays) throws IOException {
        for (Layer overlay : overlays) {
            Path file = Path.of(overlay.path());
            if (Files.exists(file) && tools.images().hasAllocatedClusters(file)) {
                return true;
            }
        }
        return false;
    }
}
