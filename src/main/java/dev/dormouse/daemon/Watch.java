package dev.dormouse.daemon;

import dev.dormouse.engine.Cancellation;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.Neglect;
import dev.dormouse.engine.OperationListener;
import dev.dormouse.engine.RehearsalResult;
import dev.dormouse.storage.FileStamp;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Looks at all VMs once a second: opens the fronts that their settings name, settles those whose operation was cut
/// off, carries on with restores that nobody serves, suspends those that are idle, and tells of changes that others
/// made. One thread; only file times are looked at
/// where nothing has changed.
final class Watch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Watch.class);
    private static final long PERIOD_MILLIS = 1000;
    private static final Duration STANDBY_PAUSE = Duration.ofSeconds(20);
    private static final Duration REHEARSAL_PAUSE = Duration.ofMinutes(5);
    private static final Duration SETTLE_PAUSE = Duration.ofMinutes(5); // Its QEMU hangs; others are to get at the VM.
    private static final int ORPHANED_LOOKS = 5; // Until then the parent of its page server has started another one.

    private final Engine engine;
    private final Vms vms;
    private final Operations operations;
    private final Fronts fronts;
    private final Activity activity;
    private final History history;
    private final ScheduledExecutorService clock = OneThread.named("watch");
    /// One guest is rehearsed at a time, for it takes the processors of those that are awake.
    private final ExecutorService rehearsals = OneThread.named("rehearsal");
    private volatile boolean ended;
    private final ExecutorService standbys = OneThread.named("standby");

    // Of the thread that looks.
    private final Map<String, Seen> seen = new HashMap<>();
    private final SpareMemory memory;

    /// What was seen of a VM the last time.
    private static final class Seen {
        private Optional<FileStamp> state = Optional.empty();
        private Optional<FileStamp> commands = Optional.empty();
        private Optional<FileStamp> settingsFile = Optional.empty();
        private VmSettings settings = VmSettings.NONE;
        private String complaint = "";
        private @Nullable IdleRule rule;
        private volatile String objection = ""; // Why it was not suspended though it is idle.
        private final Attempts standby = new Attempts("no QEMU waits for it", STANDBY_PAUSE, STANDBY_PAUSE);
        private volatile Optional<FileStamp> rehearsed = Optional.empty();
        private final Attempts rehearsal = new Attempts("is not rehearsed", STANDBY_PAUSE, REHEARSAL_PAUSE);
        private final Attempts settling =
                new Attempts("was cut off, and its guest may stand still", Duration.ZERO, SETTLE_PAUSE);
        private final Attempts adoption =
                new Attempts("its guest waits for pages that nobody serves", SETTLE_PAUSE, SETTLE_PAUSE);
        private int orphanedLooks;
    }

    Watch(Engine engine, Vms vms, Operations operations, Fronts fronts, Activity activity, History history) {
        this.engine = engine;
        this.vms = vms;
        this.operations = operations;
        this.fronts = fronts;
        this.activity = activity;
        this.history = history;
        memory = new SpareMemory(operations::isIdle);
    }

    void start() {
        var _ = clock.scheduleWithFixedDelay(this::lookAtAll, 0, PERIOD_MILLIS, TimeUnit.MILLISECONDS);
    }

    /// Looks now, and returns when that is done: settings that were just written count then.
    void lookNow() throws IOException {
        try {
            clock.submit(this::lookAtAll).get();
        } catch (RejectedExecutionException _) {
            throw new ApiException(
                    Problem.Kind.UNAVAILABLE,
                    "the settings are kept, but the daemon is being stopped: they count when it is back");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while the settings were applied", e);
        } catch (ExecutionException e) {
            throw new IOException("the settings were not applied", e);
        }
    }

    private void lookAtAll() {
        try {
            var names = new LinkedHashSet<>(engine.names());
            seen.keySet().retainAll(names);
            fronts.retain(names);
            activity.retain(names);
            for (String name : names) {
                lookAt(name, seen.computeIfAbsent(name, _ -> new Seen()));
            }
            memory.look();
        } catch (IOException | RuntimeException | Error e) {
            LOG.error("watch: {}", e.getMessage(), e); // The next look may go better.
        }
    }

    private void lookAt(String name, Seen vm) {
        try {
            Path folder = engine.home().vm(name);
            readSettings(name, folder, vm);
            fronts.reconcile(name, vm.settings.fronts());
            Optional<FileStamp> state = FileStamp.of(folder.resolve("state.json"));
            if (!state.equals(vm.state)) {
                vms.tellState(name);
                vm.standby.hurry();
                vm.rehearsal.hurry();
                vm.settling.hurry();
                vm.objection = "";
            }
            vm.state = state;
            Optional<FileStamp> commands = FileStamp.of(folder.resolve(Home.COMMAND_LOG));
            if (!commands.equals(vm.commands)) {
                vm.commands = commands;
                history.look(name);
            }
            takeCareOf(name, vm);
            suspendIfIdle(name, vm);
            if (vm.settings.standby()) {
                standBy(name, vm);
            }
            if (vm.settings.rehearse()) {
                rehearse(name, vm);
            }
        } catch (IOException e) {
            LOG.warn("vm {}: {}", name, ErrorText.of(e));
        } catch (RuntimeException e) { // The other VMs are to be looked at all the same.
            LOG.error("vm {}: {}", name, e.getMessage(), e);
        }
    }

    /// Of a file that cannot be read, which is told once, the settings before it stay.
    private void readSettings(String name, Path folder, Seen vm) {
        Optional<FileStamp> file = FileStamp.of(folder.resolve(VmSettings.FILE));
        if (file.equals(vm.settingsFile)) {
            return;
        }
        try {
            vm.settings = VmSettings.read(engine.home(), name);
            vm.settingsFile = file;
            vm.complaint = "";
        } catch (IOException e) {
            if (!ErrorText.of(e).equals(vm.complaint)) {
                vm.complaint = ErrorText.of(e);
                LOG.warn("vm {}: {}", name, vm.complaint);
            }
        }
    }

    /// A command without the daemon may have been killed while the guest stood still; or the page server of one, and
    /// its parent, while the guest waited for pages.
    private void takeCareOf(String name, Seen vm) {
        Neglect neglect = operations.active(name).isEmpty() ? engine.neglect(name) : Neglect.NONE;
        if (neglect == Neglect.CUT_OFF && vm.settling.mayBegin()) {
            vm.settling.begin(name, inBackground("settle " + name), () -> settle(name));
        }
        vm.orphanedLooks = neglect == Neglect.ORPHANED ? vm.orphanedLooks + 1 : 0;
        if (vm.orphanedLooks >= ORPHANED_LOOKS && vm.adoption.mayBegin()) {
            vm.adoption.begin(name, inBackground("adopt " + name), () -> vms.adopt(name));
        }
    }

    private static Executor inBackground(String name) {
        return task -> Thread.ofVirtual().name(name).start(task);
    }

    private void settle(String name) throws IOException {
        if (engine.settleCutOff(name)) {
            LOG.info(
                    "vm {}: is {}, what was done with it was cut off",
                    name,
                    engine.status(name).state());
        }
    }

    private void suspendIfIdle(String name, Seen vm) throws IOException {
        ZonedDateTime time = ZonedDateTime.now(ZoneId.systemDefault());
        IdlePolicy policy = vm.settings.policyAt(time);
        if (policy == null || !operations.active(name).isEmpty()) {
            vm.rule = null;
            return;
        }
        VmView view = vms.view(name);
        Long pid = view.pid();
        if (pid == null || !view.state().equals("running")) {
            vm.rule = null;
            return;
        }
        OptionalLong used = vm.settings.sleepsAt(time) ? OptionalLong.of(0) : HostUse.cpuNanos(pid);
        if (used.isEmpty()) { // It may be as busy as can be.
            vm.rule = null;
            return;
        }
        if (isIdle(name, vm, policy, pid, used.getAsLong())) {
            String why = vm.settings.sleepsAt(time) ? "without a client in its hours of sleep" : "idle";
            if (policy.askGuest()) {
                Thread.ofVirtual().name("veto " + name).start(() -> suspendUnlessTheGuestObjects(name, vm, why));
            } else {
                suspend(name, vm, why);
            }
        }
    }

    private boolean isIdle(String name, Seen vm, IdlePolicy policy, long pid, long cpu) {
        long now = System.nanoTime();
        long awake = activity.awakeNanos(name, pid, now);
        IdleRule rule = vm.rule;
        if (rule == null || !rule.isOf(policy, pid)) {
            vm.rule = new IdleRule(policy, pid, cpu, now);
            return false;
        }
        boolean idle = rule.look(
                cpu,
                () -> engine.networkUse(name),
                activity.clients(name),
                activity.lastNanos(name, now - Long.MAX_VALUE / 2),
                awake,
                now);
        if (idle) {
            rule.tried(now);
        }
        return idle;
    }

    private void suspend(String name, Seen vm, String why) throws IOException {
        LOG.info("vm {}: suspending it, it is {}", name, why);
        vm.objection = "";
        vms.suspendUnused(name);
    }

    /// Nobody waits for an agent that does not answer. Who may be busy is not disturbed. The same objection is told
    /// once.
    private void suspendUnlessTheGuestObjects(String name, Seen vm, String why) {
        try {
            if (!engine.staysAwake(name)) {
                suspend(name, vm, why);
                return;
            }
            if (!vm.objection.equals(Engine.STAY_AWAKE)) {
                LOG.info("vm {}: {}, but its guest wants to stay awake: it has {}", name, why, Engine.STAY_AWAKE);
            }
            vm.objection = Engine.STAY_AWAKE;
        } catch (IOException | RuntimeException e) {
            String objection = e instanceof IOException io ? ErrorText.of(io) : e.toString();
            if (!vm.objection.equals(objection)) {
                LOG.warn("vm {}: {}, but not suspended: {}", name, why, objection);
            }
            vm.objection = objection;
        }
    }

    /// Once for each state of the VM, when nobody waits for another one, and behind the start of a QEMU that is to wait
    /// for it: that would end the rehearsal.
    private void rehearse(String name, Seen vm) throws IOException {
        if (vm.rehearsal.mayBegin()
                && !vm.state.equals(vm.rehearsed)
                && operations.keepNobodyWaiting()
                && (!vm.settings.standby() || engine.isOnStandby(name))
                && engine.isToBeRehearsed(name)) {
            Optional<FileStamp> state = vm.state;
            vm.rehearsal.begin(name, rehearsals, () -> {
                if (rehearseInRoom(name)) {
                    vm.rehearsed = state;
                }
            });
        }
    }

    /// Its guest may want all of its memory, for some seconds.
    ///
    /// @return whether it has come to its end
    private boolean rehearseInRoom(String name) throws IOException {
        if (ended
                || !operations.keepNobodyWaiting() // Others may have been rehearsed before it.
                || !engine.isToBeRehearsed(name)
                || HostUse.availableBytes() < engine.status(name).memoryBytes()) {
            return false;
        }
        var cancellation = new Cancellation(() -> ended || !operations.keepNobodyWaiting());
        RehearsalResult result = engine.rehearse(name, OperationListener.NONE, cancellation);
        LOG.info(
                "vm {}: rehearsed, it wants {} of {} pages first",
                name,
                result.workingSetPages(),
                result.nonZeroPages());
        return true;
    }

    /// One QEMU is started at a time: those of all VMs together would keep who wakes one of them waiting. Where that
    /// fails it is tried again when the VM's state has changed, or some time later.
    private void standBy(String name, Seen vm) throws IOException {
        if (vm.standby.mayBegin()
                && operations.active(name).isEmpty()
                && vms.view(name).state().equals("suspended")
                && !engine.isOnStandby(name)) {
            vm.standby.begin(name, standbys, () -> startStandby(name));
        }
    }

    private void startStandby(String name) throws IOException {
        if (operations.active(name).isEmpty()) { // Others may have been started before it.
            engine.standby(name);
        }
    }

    @Override
    public void close() {
        OneThread.end(clock);
        ended = true;
        OneThread.end(rehearsals);
        standbys.shutdown(); // One that starts may start: nothing depends on it.
    }
}
