package dev.dormouse.disk;

import dev.dormouse.base.Json;
import java.io.Closeable;
import java.io.File;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A disk read through a `qemu-nbd` of our own, which is started at the first read and ends with us: it
/// serves one connection and then goes, also if this process was killed. Any thread; one read at a time.
final class NbdExport implements Closeable {
    private static final Duration START_PATIENCE = Duration.ofSeconds(20);
    private static final Duration READ_PATIENCE = Duration.ofSeconds(60);
    private static final int SOCKET_PATH_BYTES_MAX = 107;
    private static final int STARTS_MAX = 3;

    private final String name;
    private final Path program;
    private final Map<String, Object> node;
    private @Nullable Process process;
    private @Nullable NbdClient client;
    private @Nullable IOException failure;
    private int starts;
    private boolean closed;

    /// @param name names the disk in errors
    /// @param program the `qemu-nbd` to start
    /// @param node the disk as QEMU's block layer describes it
    NbdExport(String name, Path program, Map<String, Object> node) {
        this.name = name;
        this.program = program;
        this.node = new LinkedHashMap<>(node);
        this.node.put("read-only", true);
        // A QEMU that is paused may still have the disk open for writing.
        this.node.put("force-share", true);
    }

    /// Fills what remains in the buffer.
    synchronized void read(long offset, ByteBuffer into) throws IOException {
        try {
            connected().read(offset, into);
        } catch (NbdClient.ReadRefusedException e) {
            throw new DiskException(e.getMessage(), e);
        } catch (IOException e) {
            disconnect();
            failure = e;
            throw e;
        }
    }

    synchronized boolean isStarted() {
        return client != null;
    }

    private NbdClient connected() throws IOException {
        if (closed) {
            throw new IllegalStateException(name + " is read after it was closed");
        }
        NbdClient current = client;
        if (current == null) {
            if (starts++ >= STARTS_MAX) {
                throw new DiskException(
                        "%s: qemu-nbd failed %d times and is not started again".formatted(name, STARTS_MAX), failure);
            }
            current = start();
            client = current;
        }
        return current;
    }

    private NbdClient start() throws IOException {
        Path folder = privateFolder();
        Path socket = folder.resolve("s");
        try {
            Process server = new ProcessBuilder(List.of(
                            program.toString(), "--read-only", "--socket=" + socket, "json:" + Json.write(node)))
                    .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
                    .redirectErrorStream(true)
                    .start();
            process = server;
            Complaints complaints = Complaints.of(server.getInputStream());
            return connect(socket, server, complaints);
        } finally {
            // Nobody else is to connect, and nothing is left behind if we are killed.
            Files.deleteIfExists(socket);
            Files.deleteIfExists(folder);
        }
    }

    private static Path privateFolder() throws IOException {
        Path folder = Files.createTempDirectory("dormouse-nbd-");
        int pathBytes = folder.resolve("s").toString().getBytes(StandardCharsets.UTF_8).length;
        if (pathBytes <= SOCKET_PATH_BYTES_MAX) {
            return folder;
        }
        Files.delete(folder);
        return Files.createTempDirectory(Path.of("/tmp"), "dormouse-nbd-");
    }

    private NbdClient connect(Path socket, Process server, Complaints complaints) throws IOException {
        long deadline = System.nanoTime() + START_PATIENCE.toNanos();
        while (true) {
            if (Files.exists(socket)) {
                try {
                    return NbdClient.connect(name, socket, READ_PATIENCE);
                } catch (ConnectException _) {
                    // It has bound the socket, and does not listen yet.
                }
            }
            if (System.nanoTime() > deadline) {
                throw new DiskException(
                        "%s: qemu-nbd does not listen after %d s".formatted(name, START_PATIENCE.toSeconds()));
            }
            if (hasEnded(server)) {
                throw new DiskException("%s: qemu-nbd cannot serve it: %s".formatted(name, complaints.text()));
            }
        }
    }

    private boolean hasEnded(Process server) throws DiskException {
        try {
            return server.waitFor(2, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(name + ": interrupted while qemu-nbd was started", e);
        }
    }

    private void disconnect() {
        NbdClient connection = client;
        if (connection != null) {
            client = null;
            try {
                connection.close();
            } catch (IOException _) {
                // The server is ended below in any case.
            }
        }
        Process server = process;
        if (server != null) {
            process = null;
            end(server);
        }
    }

    private static void end(Process server) {
        server.destroy();
        try {
            if (server.waitFor(5, TimeUnit.SECONDS)) {
                return;
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
        server.destroyForcibly();
    }

    @Override
    public synchronized void close() {
        closed = true;
        disconnect();
    }
}
