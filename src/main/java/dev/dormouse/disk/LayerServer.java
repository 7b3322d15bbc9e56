package dev.dormouse.disk;

import dev.dormouse.base.Command;
import dev.dormouse.base.Json;
import java.io.Closeable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// The bottom layers of a disk, which the QEMU of a VM must not open itself ([Layer.Format#isNative]), read-only
/// behind a socket: a `qemu-nbd` in a session of its own, which keeps others from writing the layers as a QEMU does
/// that has them open.
///
/// It ends with its last connection. That is ours until this is closed, and QEMU's then: so it needs nobody who ends
/// it, and none is left behind where QEMU did not come to connect, or when we are killed. One thread.
public final class LayerServer implements Closeable {
    private static final Duration START_PATIENCE = Duration.ofSeconds(20);
    private static final Duration ANSWER_PATIENCE = Duration.ofSeconds(20);

    private static final Duration END_PATIENCE = Duration.ofSeconds(10);
    private static final String SOCKET = "--socket=";

    private final NbdClient connection;

    private LayerServer(NbdClient connection) {
        this.connection = connection;
    }

    /// {@return the command that starts such a server, and ends when that listens}
    ///
    /// @param layers bottom first
    public static List<String> command(BackingChain layers, QemuImg tools, Path socket) throws IOException {
        return List.of(
                tools.server().toString(),
                "--fork",
                "--read-only",
                "--shared=0",
                SOCKET + socket,
                "json:" + Json.write(LayerFile.nodeOf(layers)));
    }

    /// Starts a server. One that was left at the socket, by whoever was killed before his QEMU was connected, ends.
    ///
    /// @param prefix a program and its arguments that start the server, none if empty
    public static LayerServer start(BackingChain layers, QemuImg tools, Path socket, List<String> prefix)
            throws IOException {
        end(socket);
        var argv = new ArrayList<>(prefix);
        argv.addAll(command(layers, tools, socket));
        Command.Result run = Command.tryRun(argv, START_PATIENCE);
        if (run.exitCode() != 0) {
            throw new DiskException("%s: qemu-nbd cannot serve it: %s"
                    .formatted(layers.top().path(), run.errors().strip().replace("\n", "; ")));
        }
        return connect(layers, socket);
    }

    /// As [#start], unless a server listens there.
    public static LayerServer startUnlessThere(BackingChain layers, QemuImg tools, Path socket, List<String> prefix)
            throws IOException {
        try {
            return connect(layers, socket);
        } catch (IOException _) {
            return start(layers, tools, socket, prefix);
        }
    }

    private static LayerServer connect(BackingChain layers, Path socket) throws IOException {
        return new LayerServer(NbdClient.connect(layers.top().path(), socket, ANSWER_PATIENCE));
    }

    /// Has the server end that listens there, if there is one and nobody else is connected: who comes and goes is
    /// its last connection then. Waits until it is gone, for it removes its socket last, and that must not be the
    /// next one's.
    ///
    /// @throws DiskException if it still serves somebody
    public static void end(Path socket) throws IOException {
        try {
            NbdClient.connect(socket.toString(), socket, ANSWER_PATIENCE).close();
        } catch (IOException _) {
            // None listens.
        }
        if (Files.exists(socket)) {
            awaitEnd(socket);
        }
        Files.deleteIfExists(socket);
    }

    private static void awaitEnd(Path socket) throws DiskException {
        String argument = SOCKET + socket;
        Optional<ProcessHandle> server = ProcessHandle.allProcesses()
                .filter(process -> process.info().commandLine().orElse("").contains(argument + " "))
                .findFirst();
        try {
            if (server.isPresent()) {
                server.get().onExit().get(END_PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DiskException(socket + ": interrupted while its qemu-nbd ended", e);
        } catch (ExecutionException | TimeoutException e) {
            throw new DiskException(
                    "%s: qemu-nbd, process %d, still serves somebody, end it"
                            .formatted(socket, server.get().pid()),
                    e);
        }
    }

    /// Leaves the server to those who are connected.
    @Override
    public void close() {
        try {
            connection.close();
        } catch (IOException _) {
            // It has ended; whoever still needs it finds out.
        }
    }
}
