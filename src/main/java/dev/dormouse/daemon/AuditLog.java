package dev.dormouse.daemon;

import dev.dormouse.base.Json;
import dev.dormouse.engine.ErrorText;
import io.javalin.http.Context;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.RejectedExecutionException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Who changed what, or was refused: `audit.log` in the home, a JSON object on each line. Neither tokens nor bodies are
/// in it. What cannot be written is told in the daemon's log, and holds up nothing. Any thread.
final class AuditLog implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(AuditLog.class);
    private static final long FILE_BYTES_MAX = 10 << 20;
    private static final int FILES = 5;
    private static final Set<Integer> REFUSED = Set.of(401, 403);

    private final Path file;
    private final long bytesMax;
    private final ExecutorService pen = OneThread.named("audit");

    AuditLog(Path file) {
        this(file, FILE_BYTES_MAX);
    }

    AuditLog(Path file, long bytesMax) {
        this.file = file;
        this.bytesMax = bytesMax;
    }

    /// @param event `request`, `operation` when one has ended, or `screen` when somebody begins or ends to look at one
    /// @param who name of the token, or `owner`; null of who showed none
    /// @param what method and path of a request, kind of an operation
    /// @param operation id of the operation that it began, or that has ended
    /// @param status of HTTP
    /// @param outcome of an operation
    @io.avaje.jsonb.Json
    record Entry(
            String time,
            String event,
            @Nullable String who,
            @Nullable String peer,
            String what,
            @Nullable String vm,
            @Nullable String operation,
            @Nullable Integer status,
            @Nullable String outcome,
            @Nullable String error) {}

    /// Notes a request that has been answered, unless it only looked.
    void answered(Context request) {
        answered(request, request.statusCode());
    }

    /// As [#answered(Context)], of one that has not its status yet.
    void answered(Context request, int status) {
        if (request.method().name().equals("GET") && !REFUSED.contains(status)) {
            return;
        }
        Caller caller = Caller.find(request);
        String location = request.res().getHeader("Location");
        append(new Entry(
                Operation.now(),
                "request",
                caller == null ? null : caller.name(),
                Caller.OWNER.equals(caller) ? null : request.ip(),
                request.method() + " " + request.path(),
                vm(request),
                location != null && location.startsWith("/v1/operations/")
                        ? location.substring("/v1/operations/".length())
                        : null,
                status,
                null,
                null));
    }

    /// Notes that somebody begins, or ends, to see and use the screen of a VM.
    ///
    /// @param outcome `opened` or `closed`
    void screen(@Nullable Caller caller, String peer, String vm, String outcome) {
        append(new Entry(
                Operation.now(),
                "screen",
                caller == null ? null : caller.name(),
                Caller.OWNER.equals(caller) ? null : peer,
                "screen",
                vm,
                null,
                null,
                outcome,
                null));
    }

    private static @Nullable String vm(Context request) {
        String[] parts = request.path().split("/", -1);
        return parts.length > 3 && parts[1].equals("v1") && parts[2].equals("vms") ? parts[3] : null;
    }

    /// Notes an operation that has ended, whoever began it. Does not wait for the file.
    void ended(OperationView operation) {
        var entry = new Entry(
                Operation.now(),
                "operation",
                null,
                null,
                operation.kind(),
                operation.vm(),
                operation.id(),
                null,
                operation.state(),
                operation.error() == null ? null : operation.error().detail());
        try {
            pen.execute(() -> append(entry));
        } catch (RejectedExecutionException _) { // The daemon has ended; nobody is in the way of anybody.
            append(entry);
        }
    }

    private synchronized void append(Entry entry) {
        try {
            if (Files.exists(file) && Files.size(file) >= bytesMax) {
                rotate();
            }
            byte[] line = (Json.write(entry) + "\n").getBytes(StandardCharsets.UTF_8);
            Files.write(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException e) {
            LOG.error("{}: not written: {}", file, ErrorText.of(e));
        }
    }

    /// Writes what is left, for some seconds at most.
    @Override
    public void close() {
        OneThread.end(pen);
    }

    private void rotate() throws IOException {
        for (int i = FILES - 2; i >= 0; i--) {
            Path from = i == 0 ? file : numbered(i);
            if (Files.exists(from)) {
                Files.move(from, numbered(i + 1), StandardCopyOption.REPLACE_EXISTING);
            }
        }
    }

    private Path numbered(int number) {
        return file.resolveSibling(file.getFileName() + "." + number);
    }
}
