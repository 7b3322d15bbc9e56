package dev.dormouse.daemon;

import dev.dormouse.engine.ErrorText;
import dev.dormouse.engine.Home;
import io.javalin.config.RoutesConfig;
import io.javalin.websocket.WsBinaryMessageContext;
import io.javalin.websocket.WsConfig;
import io.javalin.websocket.WsConnectContext;
import io.javalin.websocket.WsContext;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.jetty.websocket.api.StatusCode;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// `/v1/vms/{name}/screen`: the VNC server of a VM by WebSocket, which is all that a browser has. Whoever connects is a
/// client of the VM like one of a front: the VM is woken for it, and is not idle as long as it is there.
final class ScreenRoutes implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ScreenRoutes.class);
    private static final int MESSAGE_BYTES_MAX = 1 << 20; // What somebody pastes.
    private static final long TOKEN_LOOK_MILLIS = 1000;
    private static final long PING_SECONDS = 15;
    private static final Duration SILENCE_MAX = Duration.ofSeconds(60);

    private final Path socket;
    private final Fronts fronts;
    private final Gate gate;
    private final AuditLog audit;
    private final AtomicLong count = new AtomicLong();
    private final Map<String, ScreenBridge> open = new ConcurrentHashMap<>(); // By session.

    ScreenRoutes(Home home, Fronts fronts, Gate gate, AuditLog audit) {
        socket = DaemonClient.socket(home);
        this.fronts = fronts;
        this.gate = gate;
        this.audit = audit;
    }

    void add(RoutesConfig routes) {
        routes.ws("/v1/vms/{name}/screen", this::configure, Access.OPERATOR);
    }

    private void configure(WsConfig screen) {
        screen.onConnect(this::connected);
        screen.onBinaryMessage(this::received);
        screen.onClose(this::ended);
        screen.onError(this::ended);
    }

    private void connected(WsConnectContext context) {
        String vm = context.pathParam("name");
        context.session.setMaxBinaryMessageSize(MESSAGE_BYTES_MAX);
        context.session.setIdleTimeout(SILENCE_MAX);
        context.enableAutomaticPings(PING_SECONDS, TimeUnit.SECONDS); // A still screen sends nothing for hours.
        try {
            SocketPair pair = SocketPair.open(socket.resolveSibling(".screen-" + count.incrementAndGet()));
            open.put(context.sessionId(), new ScreenBridge(vm, context.session, pair.one()));
            note(context, "opened");
            Thread.ofVirtual().name("client of " + vm).start(() -> serve(vm, pair));
            Thread.ofVirtual().name("token of a client of " + vm).start(() -> endWhenTheTokenIsVoid(context));
        } catch (IOException e) {
            LOG.warn("vm {}: a screen cannot be opened: {}", vm, ErrorText.of(e));
            context.closeSession(StatusCode.SERVER_ERROR, "the screen cannot be opened");
        }
    }

    private void serve(String vm, SocketPair pair) {
        try {
            fronts.serveScreen(vm, pair.other());
        } catch (IOException e) {
            LOG.warn("vm {}: a screen cannot be served: {}", vm, ErrorText.of(e));
        }
    }

    private void endWhenTheTokenIsVoid(WsConnectContext context) {
        Caller caller = Caller.find(context);
        try {
            while (open.containsKey(context.sessionId())) {
                if (caller == null || !gate.mayStay(caller)) {
                    ScreenBridge bridge = open.remove(context.sessionId()); // What it sends now is not passed on.
                    context.closeSession(StatusCode.POLICY_VIOLATION, "the token is void");
                    end(context, bridge);
                    return;
                }
                Thread.sleep(TOKEN_LOOK_MILLIS);
            }
        } catch (IOException e) {
            LOG.debug("{}", ErrorText.of(e));
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }

    private void received(WsBinaryMessageContext context) throws IOException {
        ScreenBridge bridge = open.get(context.sessionId());
        if (bridge != null) {
            bridge.received(context.data());
        }
    }

    private void ended(WsContext context) throws IOException {
        end(context, open.remove(context.sessionId()));
    }

    private void end(WsContext context, @Nullable ScreenBridge bridge) throws IOException {
        if (bridge != null) {
            note(context, "closed");
            bridge.close();
        }
    }

    private void note(WsContext context, String outcome) {
        audit.screen(
                Caller.find(context),
                String.valueOf(context.session.getRemoteSocketAddress()),
                context.pathParam("name"),
                outcome);
    }

    @Override
    public void close() {
        for (ScreenBridge bridge : open.values()) {
            try {
                bridge.close();
            } catch (IOException e) {
                LOG.debug("{}", ErrorText.of(e));
            }
        }
    }
}
