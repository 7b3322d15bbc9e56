package dev.dormouse.qmp;

import dev.dormouse.base.Json;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A conversation with the QEMU guest agent, which the guest may run or not: every answer is bounded, in
/// time and in length. For one thread.
public final class GuestAgent implements AutoCloseable {
    private static final int SENTINEL = 0xFF; // Ends whatever an earlier client left half said, in both directions.
    private static final String SYNCHRONIZE = "guest-sync-delimited";
    private static final String NO_SUCH_FILE = "No such file or directory"; // strerror(ENOENT), in any version of it.
    private static final int LINE_BYTES_MAX = 64 << 10;
    private static final long NANOS_PER_SECOND = 1_000_000_000;
    /// An agent that begins anew after each client loses what is asked just then.
    private static final long ASK_AGAIN_NANOS = 5 * NANOS_PER_SECOND;

    private final Path socket;
    private long deadline;
    private final Duration timeout;
    private final SocketChannel channel;
    private final Selector selector;
    private final ByteBuffer in = ByteBuffer.allocate(4096).flip();
    private final ByteArrayOutputStream line = new ByteArrayOutputStream(); // What of an answer is there.

    /// @param socket of the channel `org.qemu.guest_agent.0`
    /// @param timeout how long the whole conversation may take
    public GuestAgent(Path socket, Duration timeout) throws IOException {
        this.socket = socket;
        this.timeout = timeout;
        deadline = System.nanoTime() + timeout.toNanos();
        channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            channel.connect(UnixDomainSocketAddress.of(socket));
            channel.configureBlocking(false);
            selector = Selector.open();
            channel.register(selector, SelectionKey.OP_READ);
        } catch (IOException e) {
            channel.close();
            throw e;
        }
    }

    /// Sets the guest's clock.
    ///
    /// @throws QemuException if the agent does not answer, or cannot do it
    public void setTime(Instant time) throws IOException {
        execute("guest-set-time", Map.of("time", nanos(time)));
    }

    /// {@return the time that the guest's clock shows}
    public Instant time() throws IOException {
        if (execute("guest-get-time", Map.of()) instanceof Number nanos) {
            return Instant.ofEpochSecond(0, nanos.longValue());
        }
        throw new QemuException(socket + ": the guest agent answered 'guest-get-time' with no number");
    }

    /// {@return whether the guest has a file of this name that its agent can read}
    ///
    /// @throws QemuException if the agent does not answer, or may not open files
    public boolean hasFile(String path) throws IOException {
        send("guest-file-open", Map.of("path", path, "mode", "r"));
        Map<String, Object> answer = receive();
        if (answer.get("return") instanceof Number handle) {
            execute("guest-file-close", Map.of("handle", handle));
            return true;
        }
        String refusal = answer.get("error") instanceof Map<?, ?> error ? String.valueOf(error.get("desc")) : "";
        if (refusal.endsWith(NO_SUCH_FILE)) {
            return false;
        }
        throw new QemuException(
                "%s: the guest agent cannot say whether the guest has %s: %s".formatted(socket, path, refusal));
    }

    /// Makes sure that the agent listens, and that the next answer is the one to what is asked next: an agent
    /// answers what was asked before the guest was put away when it wakes up.
    public void synchronize() throws IOException {
        long end = deadline;
        while (true) {
            deadline = Math.min(end, System.nanoTime() + ASK_AGAIN_NANOS);
            try {
                synchronizeOnce();
                return;
            } catch (QmpTimeoutException e) {
                if (System.nanoTime() - end >= 0) {
                    throw e;
                }
            } finally {
                deadline = end;
            }
        }
    }

    private void synchronizeOnce() throws IOException {
        long id = System.nanoTime() & 0xFFFF_FFFFL; // Small enough for any reader of JSON.
        send(SYNCHRONIZE, Map.of("id", id));
        while (true) {
            Map<String, Object> answer = receive();
            if (answer.get("return") instanceof Number number && number.longValue() == id) {
                return;
            }
        }
    }

    private @Nullable Object execute(String command, Map<String, ?> arguments) throws IOException {
        send(command, arguments);
        Map<String, Object> answer = receive();
        if (answer.get("error") instanceof Map<?, ?> error) {
            throw new QemuException(
                    "%s: the guest agent refused '%s': %s".formatted(socket, command, error.get("desc")));
        }
        return answer.get("return");
    }

    private static long nanos(Instant time) {
        return Math.addExact(Math.multiplyExact(time.getEpochSecond(), NANOS_PER_SECOND), time.getNano());
    }

    private void send(String command, Map<String, ?> arguments) throws IOException {
        Map<String, Object> request = new LinkedHashMap<>();
        request.put("execute", command);
        if (!arguments.isEmpty()) {
            request.put("arguments", arguments);
        }
        byte[] line = (Json.write(request) + "\n").getBytes(StandardCharsets.UTF_8);
        ByteBuffer out = ByteBuffer.allocate(line.length + 1);
        if (command.equals(SYNCHRONIZE)) { // Which ends what is half said; the agent answers it with an error, too.
            out.put((byte) SENTINEL);
        }
        out.put(line).flip();
        while (out.hasRemaining()) {
            if (channel.write(out) == 0) {
                await(SelectionKey.OP_WRITE);
            }
        }
    }

    private Map<String, Object> receive() throws IOException {
        while (true) {
            if (!in.hasRemaining()) {
                fill();
            }
            int octet = Byte.toUnsignedInt(in.get());
            if (octet == SENTINEL) {
                line.reset();
            } else if (octet != '\n') {
                line.write(octet);
            } else if (line.size() > 0) {
                String answer = line.toString(StandardCharsets.UTF_8);
                line.reset();
                return parse(answer);
            }
            if (line.size() > LINE_BYTES_MAX) {
                throw new QemuException(socket + ": the guest agent sent a line of more than 64 KiB");
            }
        }
    }

    private Map<String, Object> parse(String line) throws QemuException {
        try {
            return Json.parseObject(line);
        } catch (RuntimeException e) { // The guest's text; the parser's ways to refuse it are its own.
            throw new QemuException(socket + ": the guest agent sent a line that is not JSON", e);
        }
    }

    private void fill() throws IOException {
        in.clear();
        int count = channel.read(in);
        while (count == 0) {
            await(SelectionKey.OP_READ);
            count = channel.read(in);
        }
        in.flip();
        if (count < 0) {
            throw new QemuException(socket + ": QEMU closed the channel of the guest agent");
        }
    }

    private void await(int operation) throws IOException {
        channel.keyFor(selector).interestOps(operation);
        long left = Math.ceilDiv(deadline - System.nanoTime(), 1_000_000); // Not too early: it would be asked again.
        if (left <= 0 || selector.select(left) == 0) {
            throw new QmpTimeoutException(
                    socket + ": the guest agent did not answer within " + QmpClient.text(timeout) + ", does it run?");
        }
        selector.selectedKeys().clear();
    }

    @Override
    public void close() throws IOException {
        selector.close();
        channel.close();
    }
}
