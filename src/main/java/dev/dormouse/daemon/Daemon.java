package dev.dormouse.daemon;

import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.restore.HostBudget;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The daemon of a home, from its lock to its end.
public final class Daemon implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Daemon.class);
    /// How long restores may take to complete at the end; the next daemon carries on with one that takes longer.
    private static final Duration END_PATIENCE = Duration.ofSeconds(60);
    /// How long all VMs together may take to be suspended before the host ends.
    private static final Duration SUSPEND_PATIENCE = Duration.ofMinutes(10);

    private final DaemonLock lock;
    private final DaemonOptions options;
    private final ServiceNotices serviceNotices;
    private final BringBack bringBack;
    private final Vms vms;
    private final Operations operations;
    private final EventRoutes eventRoutes;
    private final PageMapRoutes pageMapRoutes;
    private final ScreenRoutes screens;
    private final Fronts fronts;
    private final Watch watch;
    private final History history;
    private final AuditLog audit;
    private final RestServer server;

    private Daemon(
            Home home,
            DaemonOptions options,
            ServiceNotices serviceNotices,
            DaemonLock lock,
            @Nullable Listener listener)
            throws IOException {
        this.serviceNotices = serviceNotices;
        this.lock = lock;
        this.options = options;
        audit = new AuditLog(home.root().resolve("audit.log"));
        var engine = new Engine(home, QemuTools.locate(options.qemu()));
        var events = new Events();
        var activity = new Activity();
        var metrics = new Metrics(engine, activity);
        history = new History(engine, audit::ended);
        operations = new Operations(
                events,
                history::began,
                ((Consumer<OperationView>) metrics::count)
                        .andThen(history::ended)
                        .andThen(audit::ended));
        HostBudget.SHARED.limitBackground(options.restoresBytesPerSecond());
        vms = new Vms(engine, operations, events, activity, options, history::lastClients);
        history.carriesOn(vms.adopt()); // Before anything else: guests wait.
        bringBack = new BringBack(engine, operations, vms);
        fronts = new Fronts(
                home,
                vms,
                new Wake(vms, operations),
                activity,
                ((Consumer<Visit>) metrics::count).andThen(history::left));
        watch = new Watch(engine, vms, operations, fronts, activity, history);
        var gate = new Gate(new Tokens(home), options.requestsPerSecond());
        eventRoutes = new EventRoutes(events, gate);
        pageMapRoutes = new PageMapRoutes(engine, events.pageMaps(), gate);
        screens = new ScreenRoutes(home, fronts, gate, audit);
        server = new RestServer(
                DaemonClient.socket(home),
                listener,
                gate,
                audit,
                List.of(
                        new HostRoutes(engine, options.yields())::add,
                        new VmRoutes(engine, vms, watch)::add,
                        new ImageRoutes(engine, vms)::add,
                        new OperationRoutes(operations, vms, history)::add,
                        new HistoryRoutes(engine, history)::add,
                        metrics::add,
                        screens::add,
                        pageMapRoutes::add,
                        eventRoutes::add));
    }

    /// Starts the daemon; it serves when this returns. Addresses and the certificate come first, then restores whose
    /// guests wait, then HTTP, which takes longer to load. One that fails after it has carried on with restores
    /// completes them. A daemon that yields is asked to make room first.
    ///
    /// @throws IOException if the home has a daemon that stays, an address is taken, or the certificate is wrong
    public static Daemon start(Home home, DaemonOptions options) throws IOException {
        var serviceNotices = new ServiceNotices(System.getenv());
        DaemonLock lock = Takeover.lock(home, options.yields(), serviceNotices);
        Listener listener = null;
        Daemon daemon = null;
        try {
            listener = listen(options);
            daemon = new Daemon(home, options, serviceNotices, lock, listener);
            daemon.server.start();
            lock.serves(DaemonClient.socket(home));
        } catch (IOException | RuntimeException e) {
            if (daemon != null) {
                daemon.close();
            }
            if (listener != null) {
                listener.close();
            }
            lock.close();
            throw e;
        }
        daemon.history.start();
        daemon.watch.start();
        daemon.bringBack.resumeAll();
        var self = new DaemonClient(DaemonClient.socket(home));
        serviceNotices.ready(() -> self.send("GET", "/v1/openapi.yaml", null));
        LOG.info(
                "daemon of {}, process {}", home.root(), ProcessHandle.current().pid());
        return daemon;
    }

    private static @Nullable Listener listen(DaemonOptions options) throws IOException {
        if (options.listen() == null) {
            return null;
        }
        DaemonOptions.TlsFiles files = options.tls();
        return new Listener(options.listen(), files == null ? null : new Tls(files.certificate(), files.key()));
    }

    Fronts fronts() {
        return fronts;
    }

    RestServer server() {
        return server;
    }

    /// Ends it: operations that can be undone are, restores are completed at full speed, VMs run on; unless the host
    /// ends, too, and they are to be suspended then.
    @Override
    public void close() {
        close(options.suspendsWithHost() && HostShutdown.isUnderWay());
    }

    /// @param suspends whether VMs are suspended, to be resumed by the next daemon
    void close(boolean suspends) {
        LOG.info("stopping");
        lock.servesNot();
        serviceNotices.stopping(
                (suspends ? SUSPEND_PATIENCE : Duration.ZERO).plus(END_PATIENCE).toSeconds());
        watch.close();
        fronts.close();
        screens.close();
        try {
            if (suspends) {
                LOG.info("the host ends, suspending what is awake");
                bringBack.suspendAll(SUSPEND_PATIENCE);
            }
            bringBack.close();
            for (Operation operation : operations.close(END_PATIENCE)) {
                LOG.warn(
                        "vm {}: its {} has not ended, the next daemon carries on",
                        operation.vm(),
                        operation.kind().word());
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        vms.close();
        history.close();
        audit.close();
        eventRoutes.close();
        pageMapRoutes.close();
        try {
            server.close();
        } catch (IOException e) {
            LOG.warn("{}", ErrorText.of(e));
        }
        serviceNotices.close();
        lock.close();
        LOG.info("stopped");
    }
}
