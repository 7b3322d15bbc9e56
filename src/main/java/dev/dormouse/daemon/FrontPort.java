package dev.dormouse.daemon;

import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.ErrorText;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A front that is open: it holds a client until the VM is awake, and then passes bytes both ways. One virtual thread
/// accepts, two serve each client.
final class FrontPort implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(FrontPort.class);
    private static final int CLIENTS_MAX = 2000;
    private static final int REFUSALS_MAX = 100;
    private static final int BACKLOG = 1024;
    private static final Duration CONNECT_PATIENCE = Duration.ofSeconds(10);
    private static final long RETRY_MILLIS = 20;

    /// Finds out where a front leads to now.
    @FunctionalInterface
    interface Target {
        SocketAddress address() throws IOException;
    }

    private final String vm;
    private final Front front;
    private final Target target;
    private final Wake wake;
    private final Activity activity;
    private final ClientLimit all;
    private final Consumer<Visit> left;
    private final ClientLimit refusals = new ClientLimit(REFUSALS_MAX);
    private final ServerSocketChannel server;
    private final Set<SocketChannel> clients = ConcurrentHashMap.newKeySet();

    /// Not open yet.
    ///
    /// @param all the clients of all fronts, which have a limit together
    /// @param left told of each client that has gone
    FrontPort(
            String vm, Front front, Target target, Wake wake, Activity activity, ClientLimit all, Consumer<Visit> left)
            throws IOException {
        this.vm = vm;
        this.front = front;
        this.target = target;
        this.wake = wake;
        this.activity = activity;
        this.all = all;
        this.left = left;
        server = ServerSocketChannel.open();
    }

    /// Opens it.
    ///
    /// @throws IOException if its address is taken; it is closed then
    void listen() throws IOException {
        try {
            server.bind(front.address(), BACKLOG);
        } catch (IOException | IllegalArgumentException e) { // The latter of a host that nobody knows.
            server.close();
            throw new IOException(
                    "vm %s: its front %s cannot listen at %s: %s"
                            .formatted(
                                    vm,
                                    front.name(),
                                    front.listen(),
                                    e instanceof IOException io ? ErrorText.of(io) : e.getMessage()),
                    e);
        }
        Thread.ofVirtual().name("front " + vm + " " + front.name()).start(this::accept);
    }

    Front front() {
        return front;
    }

    InetSocketAddress address() throws IOException {
        return (InetSocketAddress) server.getLocalAddress();
    }

    private void accept() {
        while (server.isOpen()) {
            try {
                SocketChannel client = server.accept();
                if (clients.size() >= CLIENTS_MAX || !all.enter()) {
                    turnAway(client);
                    continue;
                }
                clients.add(client);
                if (!server.isOpen()) { // Closed meanwhile, which may have looked at the clients before.
                    client.close();
                }
                Thread.ofVirtual().name("client of " + vm).start(() -> serve(client));
            } catch (IOException e) {
                if (server.isOpen()) {
                    LOG.warn("vm {}: front {}: {}", vm, front.name(), ErrorText.of(e));
                    pause();
                }
            }
        }
    }

    /// No descriptor may be left for another client: the loop must not turn as fast as it can until there is.
    private static void pause() {
        try {
            TimeUnit.MILLISECONDS.sleep(100);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    /// Nobody waits for one who is told why: in a flood most are told nothing.
    private void turnAway(SocketChannel client) throws IOException {
        if (!refusals.enter()) {
            client.close();
            return;
        }
        Thread.ofVirtual().name("refusal of " + vm).start(() -> {
            try (client) {
                refuse(
                        client,
                        Relay.listenTo(client, () -> {}, () -> {}),
                        "vm %s: too many clients, front %s has %d of %d, all fronts %d at most; try again later"
                                .formatted(vm, front.name(), clients.size(), CLIENTS_MAX, all.max()));
            } catch (IOException e) {
                LOG.debug("vm {}: front {}: a client is gone: {}", vm, front.name(), ErrorText.of(e));
            } finally {
                refusals.leave();
            }
        });
    }

    /// Returns when the client has gone, whose place among all clients is given back then.
    void serve(SocketChannel client) {
        var stay = new Stay(vm, front.name(), client);
        Activity.Client present = activity.come(vm);
        try (client) {
            if (client.getRemoteAddress() instanceof InetSocketAddress) {
                client.setOption(StandardSocketOptions.TCP_NODELAY, true);
                client.setOption(StandardSocketOptions.SO_KEEPALIVE, true);
            }
            pass(client, stay, present);
        } catch (IOException e) {
            LOG.debug("vm {}: front {}: a client is gone: {}", vm, front.name(), ErrorText.of(e));
        } catch (InterruptedException _) {
            stay.refused("left before the VM was reached");
        } catch (RuntimeException e) {
            LOG.error("vm {}: front {}: {}", vm, front.name(), e.getMessage(), e);
        } finally {
            clients.remove(client);
            all.leave();
            present.gone();
            left.accept(stay.visit());
        }
    }

    private void pass(SocketChannel client, Stay stay, Activity.Client present)
            throws IOException, InterruptedException {
        Relay relay = Relay.listenTo(client, Thread.currentThread()::interrupt, present::mayHaveGone);
        SocketChannel guest;
        try {
            guest = reach(present);
        } catch (IOException e) {
            stay.refused(ErrorText.of(e));
            refuse(client, relay, ErrorText.of(e));
            return;
        }
        try (guest) {
            stay.reached();
            relay.run(guest, _ -> stay.answered(), whatIsSaid(guest));
        }
    }

    private Consumer<ByteBuffer> whatIsSaid(SocketChannel guest) throws IOException {
        return front.target().equals(Front.VNC) ? new ScreenRequest(guest.getRemoteAddress()) : _ -> {};
    }

    /// QEMU is connected to only once the guest runs: before that nobody may touch its memory, a VNC client does.
    private SocketChannel reach(Activity.Client present) throws IOException, InterruptedException {
        wake.await(vm);
        if (present.stay()) {
            wake.await(vm); // As long as it did not count the VM may have been suspended again.
        }
        long end = System.nanoTime() + CONNECT_PATIENCE.toNanos();
        while (true) {
            SocketAddress address = target.address();
            SocketChannel channel = address instanceof UnixDomainSocketAddress
                    ? SocketChannel.open(StandardProtocolFamily.UNIX)
                    : SocketChannel.open();
            try {
                channel.connect(address);
                return channel;
            } catch (SocketException e) {
                channel.close();
                if (System.nanoTime() - end >= 0) {
                    throw new IOException("vm %s: is awake, but nothing listens at %s".formatted(vm, address), e);
                }
                TimeUnit.MILLISECONDS.sleep(RETRY_MILLIS);
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        }
    }

    private void refuse(SocketChannel client, Relay relay, String reason) throws IOException {
        LOG.warn("{}; a client of front {} is refused", reason, front.name());
        if (front.target().equals(Front.VNC)) {
            try {
                RfbRefusal.send(client, relay, reason);
            } catch (InterruptedException _) {
                // It did not wait for the reason.
            }
        }
    }

    /// Ends all of its connections, too.
    @Override
    public void close() throws IOException {
        server.close();
        for (SocketChannel client : clients) {
            client.close();
        }
    }
}
