package dev.dormouse.daemon;

import io.javalin.Javalin;
import io.javalin.config.JavalinConfig;
import io.javalin.config.RoutesConfig;
import io.javalin.event.WsHandlerMetaInfo;
import io.javalin.http.Context;
import io.javalin.http.HttpResponseException;
import io.javalin.router.Endpoint;
import io.javalin.websocket.WsHandlerType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.eclipse.jetty.ee10.servlet.ServletContextRequest;
import org.eclipse.jetty.io.EofException;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.unixdomain.server.UnixDomainServerConnector;
import org.eclipse.jetty.util.thread.QueuedThreadPool;
import org.eclipse.jetty.util.thread.ThreadPool;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// HTTP on the unix socket of the home, whose folder only the owner can enter, and perhaps over TCP, for those who show
/// a token.
final class RestServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(RestServer.class);
    private static final int BODY_BYTES_MAX = 64 << 10;
    private static final int HEADER_BYTES_MAX = 16 << 10;
    private static final int BACKLOG = 128;
    private static final long IDLE_MILLIS = 30_000;
    private static final long STOP_MILLIS = 2_000;
    private static final String UNIX = "unix";
    private static final int THREADS_MIN = 2;
    private static final int THREADS_MAX = 16;

    private final Path socket;
    private final @Nullable Listener listener;
    private final Gate gate;
    private final AuditLog audit;
    private final List<String> webSockets = new ArrayList<>();
    private final Javalin javalin;

    /// @param listener where TCP is served; nowhere if null
    /// @param routes add what is served
    RestServer(
            Path socket, @Nullable Listener listener, Gate gate, AuditLog audit, List<Consumer<RoutesConfig>> routes) {
        this.socket = socket;
        this.listener = listener;
        this.gate = gate;
        this.audit = audit;
        javalin = Javalin.create(config -> configure(config, routes));
    }

    /// @throws IOException if an address is taken
    void start() throws IOException {
        Files.deleteIfExists(socket); // Of a daemon before this one: there is no other now.
        try {
            javalin.start();
        } catch (RuntimeException e) {
            throw new IOException("daemon: cannot listen at %s: %s".formatted(socket, cause(e)), e);
        }
        LOG.info("listening at {}", socket);
        if (listener != null) {
            LOG.info(
                    "listening at {}, which is the console in a browser; 'dormouse token create' makes the token that it asks for",
                    listener.url());
        }
    }

    private static String cause(Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage());
    }

    private void configure(JavalinConfig config, List<Consumer<RoutesConfig>> routes) {
        config.startup.showJavalinBanner = false;
        config.startup.showOldJavalinVersionWarning = false;
        config.startup.startupWatcherEnabled = false;
        config.concurrency.useVirtualThreads = true;
        config.jetty.threadPool = threads();
        config.http.maxRequestSize = BODY_BYTES_MAX;
        config.http.prefer405over404 = true;
        config.http.generateEtags = false;
        config.jetty.modifyHttpConfiguration(http -> {
            http.setRequestHeaderSize(HEADER_BYTES_MAX);
            http.setSendServerVersion(false);
        });
        config.jetty.modifyServer(server -> {
            server.setStopTimeout(STOP_MILLIS);
            server.setErrorHandler(new HttpErrors());
        });
        config.jetty.addConnector(this::unixConnector);
        if (listener != null) {
            config.jetty.addConnector(listener::connector);
        }
        config.requestLogger.http((request, _) -> audit.answered(request));
        Console.addTo(config.staticFiles);
        config.events.wsHandlerAdded(this::noteWebSocket);
        config.routes.beforeMatched(this::checkAccess);
        config.routes.wsBeforeUpgrade(this::checkUpgrade);
        config.routes.exception(HttpResponseException.class, RestServer::answer);
        config.routes.exception(Exception.class, RestServer::answer);
        routes.forEach(part -> part.accept(config.routes));
    }

    /// Requests are served by virtual threads, and may take their time. The few that wait for events of sockets are
    /// platform threads, which the kernel wakes without the help of another thread.
    private static ThreadPool threads() {
        var threads = new QueuedThreadPool(THREADS_MAX, THREADS_MIN);
        threads.setName("http");
        threads.setReservedThreads(0); // Else requests would be served, and wait, where events are looked for.
        threads.setVirtualThreadsExecutor(Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name("request-", 0).factory()));
        return threads;
    }

    private Connector unixConnector(Server server, HttpConfiguration http) {
        var connector = new UnixDomainServerConnector(
                server, Listener.ACCEPTORS, Listener.SELECTORS, new HttpConnectionFactory(http));
        connector.setName(UNIX);
        connector.setUnixDomainPath(socket);
        connector.setAcceptQueueSize(BACKLOG);
        connector.setIdleTimeout(IDLE_MILLIS);
        return connector;
    }

    /// The owner of the home, who alone can reach the unix socket, may do everything.
    private void checkAccess(Context request) throws IOException {
        if (!request.routeRoles().isEmpty()) {
            gate.admit(request, (Access) request.routeRoles().iterator().next(), isOwner(request));
        }
    }

    /// What becomes of a WebSocket is not logged as a request.
    private void checkUpgrade(Context request) throws IOException {
        try {
            checkAccess(request);
        } catch (ApiException e) {
            audit.answered(request, Problem.of(e).status());
            throw e;
        }
    }

    private static boolean isOwner(Context request) {
        var jetty = ServletContextRequest.getServletContextRequest(request.req());
        return UNIX.equals(jetty.getConnectionMetaData().getConnector().getName());
    }

    private static void answer(HttpResponseException e, Context request) {
        Requests.answer(request, Problem.ofStatus(e.getStatus(), String.valueOf(e.getMessage())));
        e.getDetails().forEach((name, value) -> {
            if (name.equals("availableMethods")) {
                request.header("Allow", value);
            }
        });
    }

    private static void answer(Exception e, Context request) {
        Problem problem = Problem.of(e);
        if (request.res().isCommitted()) {
            LOG.debug("{} {}: the client is gone: {}", request.method(), request.path(), problem.detail());
            return;
        }
        if (isGone(e)) {
            LOG.debug("{} {}: the client hung up before its request ended", request.method(), request.path());
            Requests.answer(request, Problem.ofStatus(400, "the request ends in its middle"));
            return;
        }
        if (problem.status() == Problem.Kind.FAILED.status()) {
            LOG.error("{} {}: {}", request.method(), request.path(), problem.detail(), e);
        }
        Requests.answer(request, problem);
    }

    /// {@return whether the client hung up, which nobody can be told and is no fault of the server}
    private static boolean isGone(Throwable e) {
        return e instanceof EofException || (e.getCause() != null && isGone(e.getCause()));
    }

    /// {@return method and path of each route, as in `GET /v1/vms`}
    List<String> routes() {
        Stream<String> http = javalin.unsafe.internalRouter.allHttpHandlers().stream()
                .map(parsed -> parsed.endpoint)
                .filter(endpoint -> endpoint.method.isHttpMethod())
                .map(RestServer::describe);
        return Stream.concat(http, webSockets.stream().map(path -> "GET " + path))
                .toList();
    }

    private void noteWebSocket(WsHandlerMetaInfo handler) {
        if (handler.getHandlerType() == WsHandlerType.WEBSOCKET) {
            webSockets.add(handler.getPath());
        }
    }

    private static String describe(Endpoint endpoint) {
        return endpoint.method.name() + " " + endpoint.path;
    }

    /// {@return the port on which TCP is served, for a `listen` with port 0}
    int port() {
        return Objects.requireNonNull(listener, "this daemon does not listen at TCP")
                .port();
    }

    /// Who takes no answer is cut off after some seconds.
    @Override
    public void close() throws IOException {
        try {
            javalin.stop();
        } catch (RuntimeException e) { // It is stopped all the same.
            LOG.debug("clients were cut off: {}", cause(e));
        }
        Files.deleteIfExists(socket);
    }
}
