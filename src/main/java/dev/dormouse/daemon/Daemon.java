package dev.dormouse.daemon;

import dev.dormouse.engine.Engine;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.QemuTools;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The daemon of a home, from its lock to its end.
public final class Daemon implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Daemon.class);
    /// How long restores may take to complete at the end; the next daemon carries on with one that takes longer.
    private static final Duration END_PATIENCE = Duration.ofSeconds(60);

    private final DaemonLock lock;
    private final Vms vms;
    private final Operations operations;
    private final EventRoutes eventRoutes;
    private final Fronts fronts;
    private final Watch watch;
    private final History history;
    private final RestServer server;

    private Daemon(Home home, DaemonOptions options, DaemonLock lock) throws IOException {
        this.lock = lock;
        var engine = new Engine(home, QemuTools.locate(options.qemu()));
        var events = new Events();
        var activity = new Activity();
        var metrics = new Metrics(engine, activity);
        history = new History(engine);
        operations = new Operations(events, ((Consumer<OperationView>) metrics::count).andThen(history::ended));
        vms = new Vms(engine, operations, events, activity, options);
        vms.adopt(); // Before anything else: guests wait.
        fronts = new Fronts(home, vms, new Wake(vms, operations), activity, history::left);
        watch = new Watch(engine, vms, operations, fronts, activity, history);
        eventRoutes = new EventRoutes(events);
        server = new RestServer(
                DaemonClient.socket(home),
                options.listen(),
                new Tokens(home),
                List.of(
                        new HostRoutes(engine)::add,
                        new VmRoutes(engine, vms, watch)::add,
                        new ImageRoutes(engine, vms)::add,
                        new OperationRoutes(operations)::add,
                        new HistoryRoutes(engine, history)::add,
                        metrics::add,
                        eventRoutes::add));
    }

    /// Starts the daemon; it serves when this returns.
    ///
    /// @throws IOException if the home has a daemon, or an address is taken
    public static Daemon start(Home home, DaemonOptions options) throws IOException {
        DaemonLock lock = DaemonLock.acquire(home);
        try {
            var daemon = new Daemon(home, options, lock);
            daemon.history.start();
            daemon.watch.start();
            daemon.server.start();
            LOG.info(
                    "daemon of {}, process {}",
                    home.root(),
                    ProcessHandle.current().pid());
            return daemon;
        } catch (IOException | RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    Fronts fronts() {
        return fronts;
    }

    RestServer server() {
        return server;
    }

    /// Ends it: operations that can be undone are, restores are completed at full speed, VMs run on.
    @Override
    public void close() {
        LOG.info("stopping");
        watch.close();
        fronts.close();
        try {
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
        eventRoutes.close();
        try {
            server.close();
        } catch (IOException e) {
            LOG.warn("{}", ErrorText.of(e));
        }
        lock.close();
        LOG.info("stopped");
    }
}
