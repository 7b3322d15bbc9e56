package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.catalog.Visit;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The limit that all fronts have together. Their clients wait, for something is done with their VMs that does not come
/// to its end. With the tests of the daemon, because it opens ports.
@Tag("qemu")
@Timeout(value = 1, unit = TimeUnit.MINUTES)
class FrontsTest {
    private static final int CLIENTS_MAX = 3;
    private static final int MOMENT_MILLIS = 300;
    private static final Front SCREEN = new Front("screen", "0", Front.VNC);
    private static final Front PORT = new Front("port", "0", "127.0.0.1:1");

    @TempDir
    Path folder;

    private final CountDownLatch end = new CountDownLatch(1);
    private final Activity activity = new Activity();
    private final List<Socket> sockets = new ArrayList<>();
    private final Queue<Visit> visits = new ConcurrentLinkedQueue<>();
    private Fronts fronts;

    @BeforeEach
    void open() throws IOException {
        Home home = Home.at(folder, null);
        var events = new Events();
        var operations = new Operations(events, _ -> {});
        var vms = new Vms(new Engine(home), operations, events, activity, new DaemonOptions(null, null), _ -> Map.of());
        fronts = new Fronts(home, vms, new Wake(vms, operations), activity, visits::add, CLIENTS_MAX);
        for (String vm : List.of("desk", "web")) {
            operations.begin(Operation.Kind.CHECKPOINT, vm, operation -> {
                operation.begun();
                awaitEnd();
                return null;
            });
        }
        fronts.reconcile("desk", List.of(SCREEN));
        fronts.reconcile("web", List.of(PORT));
    }

    private void awaitEnd() {
        try {
            end.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @AfterEach
    void close() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        fronts.close();
        end.countDown();
    }

    @Test
    void whoIsOneTooManyIsToldSoAtAnyOfThemAndWhoLeavesMakesRoom() throws Exception {
        connect("desk", SCREEN);
        Socket second = connect("web", PORT);
        connect("web", PORT);
        await(() -> activity.clients() == CLIENTS_MAX);

        InetSocketAddress screen = fronts.address("desk", SCREEN.name());
        assertThatThrownBy(() -> new RfbClient(screen))
                .isInstanceOf(RfbClient.RefusedException.class)
                .hasMessage(
                        "vm desk: too many clients, front screen has 1 of 2000, all fronts 3 at most; try again later");
        assertThat(isHeld(connect("web", PORT))).isFalse();
        assertThat(screenIsHeld()).isFalse();
        assertThat(activity.clients()).isEqualTo(CLIENTS_MAX);
        assertThat(visits).isEmpty(); // Who was turned away was no guest.

        second.close();
        await(() -> activity.clients() < CLIENTS_MAX);
        await(() -> isHeld(connect("web", PORT))); // The place is given back just before.
        assertThat(isHeld(connect("web", PORT))).isFalse();
    }

    @Test
    void frontsThatAreClosedGiveBackThePlacesOfTheirClients() throws Exception {
        for (int i = 0; i < CLIENTS_MAX; i++) {
            connect("web", PORT);
        }
        await(() -> activity.clients() == CLIENTS_MAX);

        fronts.reconcile("web", List.of());
        await(() -> activity.clients() == 0);

        for (int i = 0; i < CLIENTS_MAX; i++) {
            connect("desk", SCREEN);
        }
        await(() -> activity.clients("desk") == CLIENTS_MAX);
        assertThat(visits).hasSize(CLIENTS_MAX);
    }

    private Socket connect(String vm, Front front) throws IOException {
        InetSocketAddress address = fronts.address(vm, front.name());
        var socket = new Socket(address.getAddress(), address.getPort());
        sockets.add(socket);
        return socket;
    }

    /// {@return whether it is not hung up on}
    private static boolean isHeld(Socket socket) throws IOException {
        socket.setSoTimeout(MOMENT_MILLIS);
        try {
            return socket.getInputStream().read() >= 0;
        } catch (SocketTimeoutException _) {
            return true;
        }
    }

    /// By way of the API, not of a port.
    private boolean screenIsHeld() throws IOException {
        SocketPair pair = SocketPair.open(folder.resolve("pair"));
        try (var client = pair.one()) {
            fronts.serveScreen("desk", pair.other());
            return client.read(ByteBuffer.allocate(1)) >= 0;
        }
    }

    private static void await(Callable<Boolean> condition) throws Exception {
        while (!condition.call()) { // The test has a time-out.
            Thread.sleep(10);
        }
    }
}
