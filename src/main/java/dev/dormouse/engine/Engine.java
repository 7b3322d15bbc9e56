package dev.dormouse.engine;

import dev.dormouse.base.Parallel;
import dev.dormouse.disk.BackingChain;
import dev.dormouse.disk.FrozenDiskView;
import dev.dormouse.qmp.GuestAgent;
import dev.dormouse.qmp.QemuProcess;
import dev.dormouse.qmp.QmpClient;
import dev.dormouse.storage.OwnerOnly;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// All that can be done with VMs and images under one home. Each call runs in the caller's thread to its
/// end and holds the lock of the VM, so any number of threads and processes may call.
public final class Engine {
    /// A file of the guest that says that it must not be suspended just for being idle.
    public static final String STAY_AWAKE = "/run/dormouse-stay-awake";

    private static final Duration AGENT_PATIENCE = Duration.ofSeconds(2);
    private static final Duration STANDBY_END = Duration.ofSeconds(5);
    private final Home home;
    private final @Nullable QemuTools tools;
    private final ImageKeys keys;
    private final Statuses statuses;

    public Engine(Home home, QemuTools tools) {
        this(home, tools, ImageKeys.UNNAMED, new Statuses(home));
    }

    /// For a program to call first: whatever it, QEMU, or a tool makes from then on is for the user only, such as
    /// logs and overlays. It holds for the whole process, so that is for the program to decide.
    ///
    /// The folders of a home let nobody else in, with and without it.
    public static void keepFromOthers() {
        OwnerOnly.fromNowOn();
    }

    private Engine(Home home, @Nullable QemuTools tools, ImageKeys keys, Statuses statuses) {
        this.home = home;
        this.tools = tools;
        this.keys = keys;
        this.statuses = statuses;
    }

    /// An engine that can only look: at VMs and at images. It needs no QEMU on this host.
    public Engine(Home home) {
        this(home, null, ImageKeys.UNNAMED, new Statuses(home));
    }

    /// {@return the same, which opens images (not those of a resume, whose options say more) with the key of a file}
    ///
    /// @param file null for the key that an image names itself
    public Engine withKey(@Nullable Path file) {
        return new Engine(
                home,
                tools,
                new ImageKeys(file == null ? null : file.toAbsolutePath().normalize()),
                statuses);
    }

    public Home home() {
        return home;
    }

    public QemuTools tools() {
        if (tools == null) {
            throw new IllegalStateException("this engine was made to look only, it has no QEMU");
        }
        return tools;
    }

    /// Opens frozen disks for the pages that are on them.
    public DiskOpener diskOpener() {
        return chain -> FrozenDiskView.open(chain, tools().images());
    }

    /// Writes one RAM block of an image as a flat file, sparse where it is zero.
    ///
    /// @param block name of the block, null for the guest's main memory
    /// @param target must not exist; appears when it is complete
    public ExportResult exportRaw(
            Path image, @Nullable String block, Path target, OperationListener listener, Cancellation cancellation)
            throws IOException {
        return new ImageExport(home, tools(), keys, image, target, listener, cancellation).raw(block);
    }

    /// Writes an image as a migration stream that QEMU restores by itself.
    ///
    /// @param target must not exist; appears when it is complete
    public ExportResult exportStream(Path image, Path target, OperationListener listener, Cancellation cancellation)
            throws IOException {
        return new ImageExport(home, tools(), keys, image, target, listener, cancellation).qemu();
    }

    /// Makes a stopped VM suspended, with the memory of a migration stream that stock QEMU saved to a file. Its
    /// disks must be as they were then, which nobody checks.
    public ImportResult importStream(Path stream, String name, OperationListener listener, Cancellation cancellation)
            throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, "image import")) {
            new Settle(home, tools(), vm).run();
            return new ImageImport(home, tools(), vm, listener, cancellation).run(stream);
        }
    }

    public Images images() {
        return new Images(home, keys);
    }

    /// Creates a VM; it is stopped then.
    public VmStatus create(VmRequest request) throws IOException {
        new VmCreation(home, tools(), request).create();
        return status(request.name());
    }

    /// Asks a running guest, by its agent, whether it does something that must not be interrupted: whoever does that
    /// in the guest makes a file [#STAY_AWAKE] meanwhile. Takes some seconds at most.
    ///
    /// @throws IOException if the guest cannot say
    public boolean staysAwake(String name) throws IOException {
        Vm vm = Vm.open(home, name);
        if (!vm.config().guestAgent()) {
            throw new VmException(
                    "vm %s: has no channel for a guest agent, 'vm create --guest-agent' makes one".formatted(name));
        }
        try (var agent = new GuestAgent(vm.sockets().guestAgent(), AGENT_PATIENCE)) {
            agent.synchronize();
            return agent.hasFile(STAY_AWAKE);
        }
    }

    /// {@return whether the VM has a channel for the agent of its guest}
    public boolean hasGuestAgent(String name) throws IOException {
        return Vm.open(home, name).config().guestAgent();
    }

    /// {@return how many packets a running guest has sent and received; empty while QEMU cannot say}
    public Optional<NetworkUse> networkUse(String name) {
        try {
            Vm vm = Vm.open(home, name);
            return vm.qemu(vm.record()).flatMap(qemu -> NetworkUse.of(vm, qemu));
        } catch (IOException _) {
            return Optional.empty(); // It is gone, or damaged: whoever looks at it otherwise says so.
        }
    }

    /// {@return the names of all VMs, sorted}
    public List<String> names() throws IOException {
        List<String> names = home.vmNames();
        statuses.retain(names);
        return names;
    }

    /// {@return all VMs, sorted by name}. They are looked at all at once, because a QEMU may be slow to answer.
    public List<ListedVm> list() throws IOException {
        return Parallel.map(names(), this::listed).stream()
                .flatMap(Optional::stream)
                .toList();
    }

    /// {@return the VM, unless it was removed meanwhile}
    private Optional<ListedVm> listed(String name) {
        try {
            return Optional.of(new ListedVm(name, status(name), null));
        } catch (NotFoundException _) {
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of(new ListedVm(name, null, e));
        }
    }

    /// {@return what the VM is now}
    public VmStatus status(String name) throws IOException {
        return statuses.of(name);
    }

    /// {@return the last suspends, checkpoints and resumes of the VM without the daemon, the oldest first}
    public List<CommandDone> commandsDone(String name) throws IOException {
        return new CommandLog(Vm.open(home, name)).read();
    }

    /// {@return the command line with which the VM's QEMU is started}
    ///
    /// @param incoming whether QEMU is to wait for a migration
    public List<String> commandLine(String name, boolean incoming) throws IOException {
        Vm vm = Vm.open(home, name);
        return QemuCommandLine.build(
                tools().qemu().path(), vm.config(), topChains(vm.record()), vm.sockets(), incoming);
    }

    /// {@return the layers with which a guest may run: those of a suspended VM are frozen, only its overlays are not}
    private static List<BackingChain> topChains(VmRecord record) {
        return record.overlays().isEmpty() ? record.chains() : record.chainsWithOverlays();
    }

    /// Boots a stopped VM, or a crashed one from its newest files.
    ///
    /// @param discardState boot a suspended VM without its memory, which is lost then
    public VmStatus start(String name, boolean discardState) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, "start")) {
            new Settle(home, tools(), vm).run();
            new Start(home, tools(), vm).run(discardState);
        }
        return status(name);
    }

    /// {@return whether the running VM has layers without a block index}
    public boolean needsIndexing(String name) throws IOException {
        return new VmIndexing(home, tools(), Vm.open(home, name), (_, _, _) -> {}, new Cancellation()).isNeeded();
    }

    /// Makes the block indexes of a running VM's layers that are missing, so that a suspend need not. The VM
    /// can be used and suspended meanwhile; it ends when the VM does.
    ///
    /// @param idle whether to work only when nobody else needs the processor or the disk
    /// @return empty if another process is at it already
    public IndexReport index(String name, boolean idle, Indexes.Progress progress, Cancellation cancellation)
            throws IOException {
        var indexing = new VmIndexing(home, tools(), Vm.open(home, name), progress, cancellation);
        return new IndexReport("vm " + name, indexing.run(idle));
    }

    /// As [#suspend(String, SuspendOptions, OperationListener, Cancellation)], in the usual way.
    public SuspendResult suspend(String name, OperationListener listener, Cancellation cancellation)
            throws IOException {
        return suspend(name, SuspendOptions.DEFAULT, listener, cancellation);
    }

    /// As [#checkpoint(String, SuspendOptions, OperationListener, Cancellation)], in the usual way.
    public SuspendResult checkpoint(String name, OperationListener listener, Cancellation cancellation)
            throws IOException {
        return checkpoint(name, SuspendOptions.DEFAULT, listener, cancellation);
    }

    /// Captures a running VM into an image and ends its QEMU. A restore under way is completed first.
    public SuspendResult suspend(
            String name, SuspendOptions options, OperationListener listener, Cancellation cancellation)
            throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = RestoreWait.lock(vm, "suspend", listener, cancellation)) {
            settleAndRecover(vm, listener, cancellation);
            SuspendResult result = new Suspend(home, tools(), vm, options, listener, cancellation).suspend();
            new CommandLog(vm).add(CommandDone.suspend(result), listener);
            return result;
        }
    }

    /// Captures a running VM into an image that is kept; the VM runs on.
    public SuspendResult checkpoint(
            String name, SuspendOptions options, OperationListener listener, Cancellation cancellation)
            throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = RestoreWait.lock(vm, "checkpoint", listener, cancellation)) {
            settleAndRecover(vm, listener, cancellation);
            SuspendResult result = new Suspend(home, tools(), vm, options, listener, cancellation).checkpoint();
            new CommandLog(vm).add(CommandDone.checkpoint(result), listener);
            return result;
        }
    }

    /// Brings a suspended VM back, or lets one go on whose disk had failed. The guest runs from
    /// [OperationListener#running] on; this returns when
    /// every page is placed and the disks are merged.
    public ResumeResult resume(String name, ResumeOptions options, OperationListener listener) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, "resume")) {
            return new BringingBack(home, tools(), vm, options, listener).run();
        }
    }

    /// Has a QEMU wait for the resume of a suspended VM, which need not start one then. It takes some tens of
    /// megabytes meanwhile, and any other operation on the VM ends it. One that waits already goes on waiting if it
    /// is what would be started now. Returns when QEMU answers, after half a minute at most.
    ///
    /// @throws VmException if the VM is not suspended, no QEMU can wait for it, or QEMU does not start
    public VmStatus standby(String name) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, VmLock.STANDBY)) {
            new Settle(home, tools(), vm).runBesideStandby();
            VmRecord record = vm.record();
            if (record.state() != VmState.SUSPENDED) {
                throw new VmException(
                        "vm %s: not suspended, a QEMU waits only for the resume of a suspended VM".formatted(name));
            }
            Standby.refuseUnlessPossible(vm, record);
            var starter = new QemuStarter(tools(), vm);
            QemuProcess qemu = starter.startIncoming(vm.config(), record.chainsWithOverlays());
            try (QmpClient _ = starter.connect(qemu)) { // It answers: it waits.
                return status(name);
            } catch (IOException e) {
                qemu.terminate(STANDBY_END);
                throw new VmException("vm %s: no QEMU can wait for it: %s".formatted(name, ErrorText.of(e)), e);
            }
        }
    }

    /// Lets a suspended VM run for some seconds where nobody sees it, to learn what it touches first: its next
    /// resume is quicker for it. Nothing that it does there stays or gets out. Any other operation on the VM ends
    /// it.
    ///
    /// @param cancellation heeded at any time
    /// @throws VmException if the VM is not suspended, cannot be rehearsed, or nothing was learnt
    public RehearsalResult rehearse(String name, OperationListener listener, Cancellation cancellation)
            throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, Rehearsal.OPERATION)) {
            new Settle(home, tools(), vm).runBesideStandby();
            return new Rehearsal(home, tools(), keys, vm, listener, cancellation).run();
        }
    }

    /// {@return whether the VM is suspended, can be rehearsed, and was not since}
    public boolean isToBeRehearsed(String name) throws IOException {
        Vm vm = Vm.open(home, name);
        VmRecord record = vm.record();
        String image = record.image();
        return image != null
                && Rehearsal.obstacle(vm.config(), record).isEmpty()
                && !new WorkingSetFile(vm)
                        .read()
                        .map(set -> set.isOfRehearsal(image))
                        .orElse(false);
    }

    /// Ends the QEMU that waits for the resume of a VM, if one does; as [#settle], which ends what was cut off, too.
    public VmStatus endStandby(String name) throws IOException {
        return settle(name);
    }

    /// {@return whether a QEMU waits for the resume of the VM}
    public boolean isOnStandby(String name) throws IOException {
        Vm vm = Vm.open(home, name);
        return new Standby(vm).find(vm.record()).isPresent();
    }

    /// Brings a VM whose operation was cut off into a resting state (`docs/states.md`). A guest that waits for its
    /// pages is left waiting: [#resume] helps it.
    public VmStatus settle(String name) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, VmLock.SETTLE)) {
            new Settle(home, tools(), vm).run();
        }
        return status(name);
    }

    /// Ends a merge of the disks of a running VM that was cut off, if there is one.
    public void settleMerge(String name) throws IOException {
        if (Vm.open(home, name).restoreRecord().isPresent()) {
            settle(name);
        }
    }

    /// {@return what was left undone of a VM on which nobody works}. Nothing, too, of one whose records cannot be read.
    public Neglect neglect(String name) {
        return statuses.neglect(name);
    }

    /// Settles a VM that is [Neglect#CUT_OFF], unless somebody else is at it by now.
    ///
    /// @return whether it was settled
    public boolean settleCutOff(String name) throws IOException {
        Vm vm = Vm.open(home, name);
        Optional<VmLock> lock = VmLock.tryAcquire(vm, VmLock.SETTLE);
        if (lock.isEmpty()) {
            return false;
        }
        try (VmLock _ = lock.get()) {
            if (!Statuses.isUnderWay(vm, vm.record())) {
                return false;
            }
            new Settle(home, tools(), vm).run();
            return true;
        }
    }

    /// Makes a new VM of an image; it is suspended then, and the image is kept.
    public VmStatus restoreAs(String image, String name) throws IOException {
        Home.checkName(name);
        new Clone(home, tools(), keys, image, name).create();
        return status(name);
    }

    /// As [#stop(String, boolean, Duration, OperationListener, Cancellation)], by nobody cancelled.
    public VmStatus stop(String name, boolean force, Duration timeout, OperationListener listener) throws IOException {
        return stop(name, force, timeout, listener, new Cancellation());
    }

    /// Ends a running VM: by the guest's own shutdown, or at once.
    ///
    /// @param force end QEMU without asking the guest; also one whose restore was cut off or lacks a page
    ///     that cannot be read, which is suspended again then, or crashed if it has written its disks
    /// @param timeout how long the guest may take to shut down
    /// @param cancellation heeded while it waits for the guest, which may still shut down then, or for a
    ///     restore
    public VmStatus stop(
            String name, boolean force, Duration timeout, OperationListener listener, Cancellation cancellation)
            throws IOException {
        Vm vm = Vm.open(home, name);
        new Stop(home, tools(), vm, listener, cancellation).run(force, timeout);
        return status(name);
    }

    /// Removes a VM that has no QEMU: its overlays and its suspended memory go, disks it was given stay.
    ///
    /// @param force remove a suspended or crashed VM, whose memory is lost then, or one whose state is damaged
    public void remove(String name, boolean force) throws IOException {
        var _ = remove(name, force, false);
    }

    /// As [#remove(String, boolean)].
    ///
    /// @param images remove its images, too, those of checkpoints and of an earlier VM of its name; else they stay
    /// @throws VmException if another VM needs one of them; nothing is removed then
    public RemovalReport remove(String name, boolean force, boolean images) throws IOException {
        Vm vm = Vm.open(home, name);
        try (VmLock _ = VmLock.acquire(vm, "rm")) {
            VmRecord record;
            try {
                new Settle(home, tools(), vm).run();
                record = vm.record();
            } catch (DamagedVmException e) {
                if (!force) {
                    throw e;
                }
                return new Removal(home, tools(), vm).runDamaged(images);
            }
            boolean saved = record.state() == VmState.SUSPENDED || record.state() == VmState.CRASHED;
            if (record.state() != VmState.STOPPED && !(saved && force)) {
                throw new VmException("vm %s: is %s, %s"
                        .formatted(
                                name,
                                record.state().name().toLowerCase(Locale.ROOT),
                                saved ? "'dormouse rm --force' removes it with its memory" : "stop it first"));
            }
            return new Removal(home, tools(), vm).run(record, images);
        }
    }

    /// Removes what operations that were cut off have left, and merges the overlays that nobody needs.
    ///
    /// @param dryRun only say what would be removed
    public GcReport collectGarbage(boolean dryRun, OperationListener listener) throws IOException {
        return new GarbageCollection(home, tools(), dryRun, listener).run();
    }

    /// What needs all of the memory to be there carries on first with a restore that nobody serves.
    private void settleAndRecover(Vm vm, OperationListener listener, Cancellation cancellation) throws IOException {
        new Settle(home, tools(), vm).run();
        if (Recovery.isNeeded(vm)) {
            listener.step("recovering the restore");
            new Recovery(home, tools(), vm, listener, cancellation).run();
        }
    }
}
