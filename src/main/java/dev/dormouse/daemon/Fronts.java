package dev.dormouse.daemon;

import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.Home;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The fronts that are open: those that the settings of the VMs name. Any thread.
final class Fronts implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Fronts.class);
    private static final int VNC_PORT = 5900;
    private static final int CLIENTS_MAX = 8000;
    private static final Front SCREEN = new Front("screen", "0", Front.VNC);

    private final Home home;
    private final Vms vms;
    private final Wake wake;
    private final Activity activity;
    private final Consumer<Visit> left;
    private final ClientLimit clients;
    private final Map<String, List<FrontPort>> open = new HashMap<>(); // Guarded by this, as is what follows.
    private final Map<String, Set<String>> complaints = new HashMap<>();
    private boolean closed;

    Fronts(Home home, Vms vms, Wake wake, Activity activity, Consumer<Visit> left) {
        this(home, vms, wake, activity, left, CLIENTS_MAX);
    }

    /// @param clientsMax how many clients all of them may have at once
    Fronts(Home home, Vms vms, Wake wake, Activity activity, Consumer<Visit> left, int clientsMax) {
        clients = new ClientLimit(clientsMax);
        this.home = home;
        this.vms = vms;
        this.wake = wake;
        this.activity = activity;
        this.left = left;
    }

    /// Opens and closes ports until those of a VM are open that its settings name. One that cannot be opened is tried
    /// again the next time.
    synchronized void reconcile(String vm, List<Front> wanted) {
        if (closed) {
            return;
        }
        List<FrontPort> ports = open.computeIfAbsent(vm, _ -> new ArrayList<>());
        for (FrontPort port : List.copyOf(ports)) {
            if (!wanted.contains(port.front())) {
                ports.remove(port);
                close(port);
            }
        }
        for (Front front : wanted) {
            if (ports.stream().noneMatch(port -> port.front().equals(front))) {
                open(vm, front, ports);
            }
        }
        if (ports.isEmpty()) {
            open.remove(vm);
        }
    }

    /// What goes wrong is told once, until the front is open or the words change.
    private void open(String vm, Front front, List<FrontPort> ports) {
        Set<String> told = complaints.computeIfAbsent(vm, _ -> new HashSet<>());
        try {
            FrontPort port = port(vm, front);
            port.listen();
            ports.add(port);
            told.clear();
            InetSocketAddress address = port.address();
            LOG.info("vm {}: front {} listens at {}:{}", vm, front.name(), address.getHostString(), address.getPort());
        } catch (IOException e) {
            if (told.add(ErrorText.of(e))) {
                LOG.warn("{}", ErrorText.of(e));
            }
        }
    }

    private FrontPort port(String vm, Front front) throws IOException {
        return new FrontPort(vm, front, () -> target(vm, front), wake, activity, clients, left);
    }

    /// Serves a client of the VM's screen that has not come by a port, as if it had come by one. Returns when it has
    /// gone.
    void serveScreen(String vm, SocketChannel client) throws IOException {
        if (isClosed() || !clients.enter()) {
            client.close();
            return;
        }
        FrontPort port;
        try {
            port = port(vm, SCREEN);
        } catch (IOException e) {
            clients.leave();
            client.close();
            throw e;
        }
        try (port) {
            port.serve(client);
        }
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    /// Closes those of VMs that are gone.
    synchronized void retain(Set<String> names) {
        complaints.keySet().retainAll(names);
        for (String vm : List.copyOf(open.keySet())) {
            if (!names.contains(vm)) {
                reconcile(vm, List.of());
            }
        }
    }

    /// {@return where a front of the VM listens}
    synchronized InetSocketAddress address(String vm, String front) throws IOException {
        for (FrontPort port : open.getOrDefault(vm, List.of())) {
            if (port.front().name().equals(front)) {
                return port.address();
            }
        }
        throw new ApiException(Problem.Kind.NOT_FOUND, "vm %s: its front %s is not open".formatted(vm, front));
    }

    private SocketAddress target(String vm, Front front) throws IOException {
        try {
            return targetNow(vm, front);
        } catch (IllegalArgumentException e) { // A host that nobody knows, a port that cannot be.
            throw new IOException("vm %s: front %s leads nowhere: %s".formatted(vm, front.name(), e.getMessage()), e);
        }
    }

    /// {@return where the front leads to: forwards and VNC are those that the VM has now}
    private SocketAddress targetNow(String vm, Front front) throws IOException {
        VmView view = vms.view(vm);
        if (front.target().equals(Front.VNC)) {
            return vnc(vm, view.vnc());
        }
        if (front.guestPort().isEmpty()) {
            return Front.address(front.target());
        }
        List<String> forwards = view.forwards() == null ? List.of() : view.forwards();
        return front.forwarded(forwards)
                .orElseThrow(() ->
                        new IOException("vm %s: none of its forwards leads to port %s of the guest, front %s needs one"
                                .formatted(vm, front.guestPort().get(), front.name())));
    }

    /// @param display as QEMU has it: `unix:PATH` or `HOST:NUMBER`, options behind a comma
    private SocketAddress vnc(String vm, @Nullable String display) throws IOException {
        String where = display == null ? "none" : display.replaceFirst(",.*", "");
        if (where.startsWith("unix:")) {
            String path = where.substring("unix:".length());
            return UnixDomainSocketAddress.of(
                    path.replace("{runtime}", home.sockets(vm).toString()));
        }
        int colon = where.lastIndexOf(':');
        if (colon < 0) {
            throw new IOException("vm %s: has no VNC server, 'vm create --vnc' makes one".formatted(vm));
        }
        String host = colon == 0 ? "127.0.0.1" : where.substring(0, colon);
        return new InetSocketAddress(host, VNC_PORT + Integer.parseInt(where.substring(colon + 1)));
    }

    private static void close(FrontPort port) {
        try {
            port.close();
        } catch (IOException e) {
            LOG.debug("{}", ErrorText.of(e));
        }
    }

    @Override
    public synchronized void close() {
        closed = true;
        open.values().forEach(ports -> ports.forEach(Fronts::close));
        open.clear();
    }
}
