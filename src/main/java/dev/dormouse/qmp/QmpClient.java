package dev.dormouse.qmp;

import dev.dormouse.base.Json;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// One connection to a QMP monitor. Any thread may send; a daemon thread reads, completes the replies
/// and calls the listeners.
///
/// Guarantees:
/// - A command ends with its reply, a [QmpException], a [QmpTimeoutException] that names it, or a
///   [QmpConnectionException], within its bound. A late reply is dropped.
/// - Once the connection is lost, or the peer has sent anything that is not QMP, every call fails with
///   that first reason.
/// - An interrupted wait throws [InterruptedIOException] and leaves the thread interrupted.
///
/// While a command is unanswered in QEMU's main loop (a `stop` that waits for a vCPU), other in-band
/// commands queue behind it; only out-of-band ones are answered.
public final class QmpClient implements AutoCloseable {
    /// Bound of the calls that name none. QEMU answers in milliseconds; a loaded host swaps or stalls.
    public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(30);

    /// QEMU stops reading the socket, out-of-band commands included, when 8 requests are queued.
    private static final int UNANSWERED_MAX = 7;

    /// QEMU leaves negotiation within milliseconds of its greeting, unless it hangs ([#nudge]).
    private static final Duration NUDGE_AFTER = Duration.ofMillis(250);

    private static final int RETRY_MILLIS = 5;
    private static final System.Logger LOG = System.getLogger(QmpClient.class.getName());

    /// A command that waits. Stays in the table after its timeout, until QEMU answers it.
    private record Pending(String command, CompletableFuture<Map<String, Object>> reply) {}

    private final Path socket;
    private final SocketChannel channel;
    private final ReentrantLock writing = new ReentrantLock();
    private final AtomicLong lastId = new AtomicLong();
    private final Map<String, Pending> pending = new ConcurrentHashMap<>();
    private final CompletableFuture<Map<String, Object>> greeting = new CompletableFuture<>();
    private final AtomicReference<@Nullable QmpConnectionException> failure = new AtomicReference<>();
    private final EventLog events = new EventLog();
    private final List<Consumer<QmpEvent>> listeners = new CopyOnWriteArrayList<>();
    private volatile boolean outOfBand;

    private QmpClient(Path socket, SocketChannel channel) {
        this.socket = socket;
        this.channel = channel;
    }

    /// Connects as soon as the socket exists and its monitor greets, and leaves negotiation mode.
    public static QmpClient connect(Path socket, Duration timeout) throws IOException {
        return connect(socket, timeout, () -> true);
    }

    /// As [#connect(Path,Duration)], but fails at once, with QEMU's own words, when the process is gone.
    public static QmpClient connect(Path socket, Duration timeout, QemuProcess process) throws IOException {
        try {
            return connect(socket, timeout, process::isAlive);
        } catch (QmpConnectionException e) {
            // QEMU closes its sockets a moment before the process is gone.
            if (process.awaitExit(Duration.ofMillis(500))) throw process.died(e);
            throw e;
        }
    }

    /// As [#connect(Path,Duration)], but fails at once when nobody is left who could answer.
    public static QmpClient connect(Path socket, Duration timeout, BooleanSupplier alive) throws IOException {
        SocketPath.checked(socket);
        long deadline = System.nanoTime() + EventLog.nanos(timeout);
        SocketChannel channel = open(socket, deadline, timeout, alive);
        var client = new QmpClient(socket, channel);
        Thread.ofPlatform().daemon().name("qmp-" + socket.getFileName()).start(client::read);
        try {
            client.negotiate(deadline, timeout);
        } catch (IOException | RuntimeException e) {
            client.close();
            throw e;
        }
        return client;
    }

    private static SocketChannel open(Path socket, long deadline, Duration timeout, BooleanSupplier alive)
            throws IOException {
        while (true) {
            try {
                return tryConnect(socket);
            } catch (IOException e) {
                if (!alive.getAsBoolean()) {
                    throw new QmpConnectionException(socket + ": the process behind the monitor is gone", e);
                }
                if (System.nanoTime() - deadline >= 0) {
                    throw new QmpConnectionException(
                            socket + ": no monitor listened within " + text(timeout) + ", is QEMU running?", e);
                }
            }
            pause(socket);
        }
    }

    /// Never blocks: QEMU listens with a backlog of one and accepts late, a blocking connect would hang.
    private static SocketChannel tryConnect(Path socket) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.configureBlocking(false);
            if (!channel.connect(UnixDomainSocketAddress.of(socket))) {
                throw new ConnectException("the monitor's queue of connections is full");
            }
            channel.configureBlocking(true);
            return channel;
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    private static void pause(Path socket) throws IOException {
        try {
            Thread.sleep(RETRY_MILLIS);
        } catch (InterruptedException e) {
            throw interrupted(socket + ": interrupted while connecting", e);
        }
    }

    private void negotiate(long deadline, Duration timeout) throws IOException {
        Map<String, Object> hello;
        try {
            hello = greeting.get(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (TimeoutException _) {
            throw new QmpTimeoutException(socket + ": the monitor did not greet within " + text(timeout)
                    + ", it serves one client at a time: is another one connected?");
        } catch (ExecutionException _) {
            throw lost();
        } catch (InterruptedException e) {
            throw interrupted(socket + ": interrupted while connecting", e);
        }
        boolean offered = hello.get("capabilities") instanceof List<?> names && names.contains("oob");
        Map<String, Object> arguments = offered ? Map.of("enable", List.of("oob")) : Map.of();
        leaveNegotiation(arguments, deadline, timeout);
        outOfBand = offered;
    }

    private void leaveNegotiation(Map<String, Object> arguments, long deadline, Duration timeout) throws IOException {
        Pending entry = request("execute", "qmp_capabilities", arguments, timeout);
        try {
            long nudgeAt = Math.min(deadline, System.nanoTime() + NUDGE_AFTER.toNanos());
            result(await(entry, nudgeAt, timeout), entry.command);
        } catch (QmpTimeoutException _) {
            nudge();
            result(await(entry, deadline, timeout), entry.command);
        }
    }

    /// Frees a QEMU that hangs in its start. It moves its listening socket from the main loop to the
    /// monitor's thread; when a client connects just then, both wake, one accepts it, the other (the
    /// main loop) blocks in `accept` until somebody else connects. Seen on 7.2 once in 1,000 starts.
    private void nudge() {
        try {
            tryConnect(socket).close();
        } catch (IOException e) {
            LOG.log(System.Logger.Level.DEBUG, socket + ": a second connection was refused", e);
        }
    }

    /// {@return whether out-of-band commands are possible on this connection}
    public boolean hasOutOfBand() {
        return outOfBand;
    }

    public Map<String, Object> execute(String command) throws IOException {
        return execute(command, Map.of(), DEFAULT_TIMEOUT);
    }

    public Map<String, Object> execute(String command, Map<String, ?> arguments) throws IOException {
        return execute(command, arguments, DEFAULT_TIMEOUT);
    }

    /// {@return what QEMU returned, which is empty for most commands that change something}
    ///
    /// Integers are [Long], exact up to 2^53 in both directions; fractions are [Double].
    public Map<String, Object> execute(String command, Map<String, ?> arguments, Duration timeout) throws IOException {
        return object(command, send("execute", command, arguments, timeout));
    }

    /// Executes a command whose return is a list, a string or a number.
    public @Nullable Object executeForAny(String command, Map<String, ?> arguments, Duration timeout)
            throws IOException {
        return send("execute", command, arguments, timeout);
    }

    public @Nullable Object executeForAny(String command) throws IOException {
        return executeForAny(command, Map.of(), DEFAULT_TIMEOUT);
    }

    /// Executes a command that returns a list of objects, as most `query-*` commands do.
    public List<Map<String, Object>> executeForList(String command, Map<String, ?> arguments, Duration timeout)
            throws IOException {
        return objects(command, send("execute", command, arguments, timeout));
    }

    public List<Map<String, Object>> executeForList(String command) throws IOException {
        return executeForList(command, Map.of(), DEFAULT_TIMEOUT);
    }

    /// Executes one of the commands that QEMU answers even while its main loop hangs: `migrate-recover`,
    /// `migrate-pause`, `yank`, `query-yank`.
    public Map<String, Object> executeOutOfBand(String command, Map<String, ?> arguments, Duration timeout)
            throws IOException {
        return object(command, executeOutOfBandForAny(command, arguments, timeout));
    }

    /// As [#executeOutOfBand], for a return that is not an object.
    public @Nullable Object executeOutOfBandForAny(String command, Map<String, ?> arguments, Duration timeout)
            throws IOException {
        if (!outOfBand) {
            throw new QemuException(socket + ": the monitor offers no out-of-band commands, '" + command
                    + "' needs them: use a unix socket as monitor");
        }
        return send("exec-oob", command, arguments, timeout);
    }

    /// {@return the position after the last event so far, for the `await` methods}
    public long eventMark() {
        return events.mark();
    }

    /// Waits for an event that arrives from now on.
    public QmpEvent awaitEvent(Predicate<QmpEvent> wanted, Duration timeout) throws IOException {
        return awaitEvent(eventMark(), wanted, timeout);
    }

    /// Waits for an event by its name, those since the mark included.
    public QmpEvent awaitEvent(long mark, String name, Duration timeout) throws IOException {
        return pollEvent(mark, event -> event.name().equals(name), timeout)
                .orElseThrow(() -> new QmpTimeoutException(
                        socket + ": event " + name + " did not arrive within " + text(timeout)));
    }

    /// Waits for an event, those since the mark included.
    public QmpEvent awaitEvent(long mark, Predicate<QmpEvent> wanted, Duration timeout) throws IOException {
        return pollEvent(mark, wanted, timeout)
                .orElseThrow(() ->
                        new QmpTimeoutException(socket + ": the awaited event did not arrive within " + text(timeout)));
    }

    /// {@return the first matching event since the mark, or empty when none arrived within the bound}
    ///
    /// @throws QmpConnectionException if none has arrived and none can any more
    public Optional<QmpEvent> pollEvent(long mark, Predicate<QmpEvent> wanted, Duration timeout) throws IOException {
        try {
            Optional<QmpEvent> found = events.await(mark, wanted, EventLog.nanos(timeout));
            if (found.isEmpty() && failure.get() != null) throw lost();
            return found;
        } catch (InterruptedException e) {
            throw interrupted(socket + ": interrupted while waiting for an event", e);
        }
    }

    /// Has every later event handed over, on the reading thread: the listener must return at once and
    /// must not execute commands, whose replies that thread reads.
    public void addListener(Consumer<QmpEvent> listener) {
        listeners.add(listener);
    }

    public void removeListener(Consumer<QmpEvent> listener) {
        listeners.remove(listener);
    }

    /// {@return whether the connection is still usable, as far as is known}
    public boolean isOpen() {
        return failure.get() == null;
    }

    public Path socket() {
        return socket;
    }

    @Override
    public void close() {
        fail(new QmpConnectionException(socket + ": the connection to the monitor was closed by this side"));
    }

    private @Nullable Object send(String verb, String command, Map<String, ?> arguments, Duration timeout)
            throws IOException {
        if (Thread.currentThread().isInterrupted()) {
            // A write on an interrupted thread would close the channel for everybody.
            throw new InterruptedIOException("QMP command '" + command + "': not sent, the thread is interrupted");
        }
        long deadline = System.nanoTime() + EventLog.nanos(timeout);
        Pending entry = request(verb, command, arguments, timeout);
        return result(await(entry, deadline, timeout), command);
    }

    private Pending request(String verb, String command, Map<String, ?> arguments, Duration timeout)
            throws IOException {
        String id = "dormouse-" + lastId.incrementAndGet();
        var entry = new Pending(command, new CompletableFuture<>());
        write(id, entry, line(verb, command, arguments, id), timeout);
        return entry;
    }

    private static ByteBuffer line(String verb, String command, Map<String, ?> arguments, String id) {
        Map<String, Object> request = new LinkedHashMap<>();
        request.put(verb, command);
        if (!arguments.isEmpty()) request.put("arguments", new HashMap<String, Object>(arguments));
        request.put("id", id);
        return ByteBuffer.wrap((Json.write(request) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private void write(String id, Pending entry, ByteBuffer line, Duration timeout) throws IOException {
        try {
            if (!writing.tryLock(EventLog.nanos(timeout), TimeUnit.NANOSECONDS)) throw unanswered(entry, timeout);
        } catch (InterruptedException e) {
            throw interrupted("QMP command '" + entry.command + "': interrupted before it was sent", e);
        }
        try {
            if (pending.size() >= UNANSWERED_MAX) throw crowded(entry);
            pending.put(id, entry);
            if (failure.get() != null) throw lost(); // After the put: fail() completes what is in the table.
            while (line.hasRemaining()) channel.write(line);
        } catch (QmpConnectionException e) {
            throw e;
        } catch (IOException e) {
            fail(new QmpConnectionException(socket + ": sending '" + entry.command + "' failed", e));
            throw lost();
        } finally {
            writing.unlock();
        }
    }

    private Map<String, Object> await(Pending entry, long deadline, Duration timeout) throws IOException {
        try {
            return entry.reply.get(Math.max(1, deadline - System.nanoTime()), TimeUnit.NANOSECONDS);
        } catch (TimeoutException _) {
            throw unanswered(entry, timeout);
        } catch (ExecutionException _) {
            throw new QmpConnectionException(
                    "QMP command '" + entry.command + "': the connection was lost before the reply", lost());
        } catch (InterruptedException e) {
            throw interrupted("QMP command '" + entry.command + "': interrupted before the reply", e);
        }
    }

    private static @Nullable Object result(Map<String, Object> reply, String command) throws QmpException {
        if (!(reply.get("error") instanceof Map<?, ?> error)) return reply.get("return");
        throw new QmpException(String.valueOf(error.get("class")), String.valueOf(error.get("desc")), command);
    }

    private QmpTimeoutException unanswered(Pending entry, Duration timeout) {
        return new QmpTimeoutException("QMP command '" + entry.command + "': " + socket + " did not answer within "
                + text(timeout) + ", QEMU may be stopped or waiting for memory or storage");
    }

    private QmpConnectionException crowded(Pending entry) {
        List<String> waiting = pending.values().stream().map(Pending::command).toList();
        return new QmpConnectionException("QMP command '" + entry.command + "': not sent, QEMU has not answered "
                + waiting.size() + " earlier ones: " + waiting);
    }

    private void read() {
        var lines = new QmpLines(channel);
        try {
            for (String line = lines.next(); line != null; line = lines.next()) {
                receive(Json.parseObject(line));
            }
            fail(new QmpConnectionException(socket + ": QEMU closed the connection to its monitor"));
        } catch (QmpConnectionException e) {
            fail(new QmpConnectionException(socket + ": the peer breaks the monitor protocol: " + e.getMessage()));
        } catch (IOException e) {
            fail(new QmpConnectionException(socket + ": reading from the monitor failed", e));
        } catch (RuntimeException e) {
            // The JSON parser's ways to refuse foreign text are its own; nothing else is called here.
            fail(new QmpConnectionException(socket + ": the monitor sent a line that is not QMP", e));
        } finally {
            // An Error of ours must not leave the callers waiting.
            fail(new QmpConnectionException(socket + ": the reader of the monitor ended"));
        }
    }

    private void receive(Map<String, Object> message) throws QmpConnectionException {
        if (message.get("event") instanceof String name) {
            deliver(new QmpEvent(name, objectOrEmpty(message.get("data")), System.nanoTime()));
        } else if (message.get("QMP") instanceof Map<?, ?> hello) {
            greeting.complete(objectOrEmpty(hello));
        } else if (message.get("id") instanceof String id && isReply(message)) {
            Pending entry = pending.remove(id);
            if (entry == null) throw new QmpConnectionException("a reply has the id '" + id + "', which is not open");
            entry.reply.complete(message);
        } else {
            throw new QmpConnectionException("a message is neither greeting, event nor reply: " + brief(message));
        }
    }

    private static boolean isReply(Map<String, Object> message) {
        return message.containsKey("return") || message.get("error") instanceof Map;
    }

    private void deliver(QmpEvent event) {
        events.add(event);
        for (Consumer<QmpEvent> listener : listeners) {
            try {
                listener.accept(event);
            } catch (RuntimeException e) {
                // A listener's bug must not cost all others their connection.
                LOG.log(System.Logger.Level.ERROR, socket + ": a listener failed on event " + event.name(), e);
            }
        }
    }

    /// Ends the connection for the reason given, unless it has ended already.
    private void fail(QmpConnectionException reason) {
        if (!failure.compareAndSet(null, reason)) return;
        try {
            channel.close();
        } catch (IOException e) {
            reason.addSuppressed(e);
        }
        greeting.completeExceptionally(reason);
        for (Pending entry : pending.values()) entry.reply.completeExceptionally(reason);
        events.close();
    }

    /// {@return the reason why the connection ended, thrown anew so that the trace is the caller's}
    private QmpConnectionException lost() {
        QmpConnectionException reason = failure.get();
        if (reason == null) throw new IllegalStateException(socket + ": the connection is not lost");
        return new QmpConnectionException(String.valueOf(reason.getMessage()), reason);
    }

    private static InterruptedIOException interrupted(String message, InterruptedException cause) {
        Thread.currentThread().interrupt();
        var interrupted = new InterruptedIOException(message);
        interrupted.initCause(cause);
        return interrupted;
    }

    private static Map<String, Object> object(String command, @Nullable Object reply) throws QmpConnectionException {
        if (reply instanceof Map<?, ?>) return objectOrEmpty(reply);
        throw new QmpConnectionException("QMP command '" + command + "': the reply is not an object: " + brief(reply));
    }

    private static List<Map<String, Object>> objects(String command, @Nullable Object reply)
            throws QmpConnectionException {
        if (reply instanceof List<?> list && list.stream().allMatch(Map.class::isInstance)) {
            return list.stream().map(QmpClient::objectOrEmpty).toList();
        }
        throw new QmpConnectionException(
                "QMP command '" + command + "': the reply is not a list of objects: " + brief(reply));
    }

    /// {@return the tree as a map; the keys of parsed JSON objects are strings}
    @SuppressWarnings("unchecked")
    private static Map<String, Object> objectOrEmpty(@Nullable Object tree) {
        return tree instanceof Map<?, ?> map ? (Map<String, Object>) map : Map.of();
    }

    private static String brief(@Nullable Object tree) {
        String text = String.valueOf(tree);
        return text.length() <= 200 ? text : text.substring(0, 200) + "...";
    }

    static String text(Duration duration) {
        return duration.toMillis() % 1000 == 0 ? duration.toSeconds() + " s" : duration.toMillis() + " ms";
    }
}
