package dev.dormouse.testkit;

import dev.dormouse.base.Command;
import dev.dormouse.base.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/// QEMU's storage daemon, which serves a file by FUSE under the file's own name: from now on every process that opens
/// it gets what the nodes of the daemon make of it. Needs root and FUSE; a test is skipped where they are missing.
final class StorageDaemon implements AutoCloseable {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    /// The node of the file as it is.
    static final String FILE = "file";

    private final Path file;
    private final Path socket;
    private final Process daemon;

    private StorageDaemon(Path file, Path socket, Process daemon) {
        this.file = file;
        this.socket = socket;
        this.daemon = daemon;
    }

    /// @param nodes further nodes, each after those that it refers to
    /// @param shown the node that is served first
    static StorageDaemon serve(Path file, List<Map<String, Object>> nodes, String shown)
            throws IOException, InterruptedException {
        Assumptions.assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "only root may mount by FUSE");
        Path socket = Files.createTempDirectory("storage").resolve("qmp");
        var argv = new ArrayList<>(List.of("qemu-storage-daemon"));
        add(argv, Map.of("driver", "file", "node-name", FILE, "filename", file.toString(), "discard", "unmap"));
        nodes.forEach(node -> add(argv, node));
        add(argv, top(shown));
        argv.addAll(List.of("--export", "fuse,id=export,node-name=top,writable=on,growable=on,mountpoint=" + file));
        argv.addAll(
                List.of("--chardev", "socket,id=qmp,server=on,wait=off,path=" + socket, "--monitor", "chardev=qmp"));
        Process daemon = new ProcessBuilder(argv)
                .redirectErrorStream(true)
                .redirectOutput(socket.resolveSibling("log").toFile())
                .start();
        var result = new StorageDaemon(file, socket, daemon);
        result.awaitMounted(true);
        return result;
    }

    private static void add(List<String> argv, Map<String, Object> node) {
        argv.addAll(List.of("--blockdev", Json.write(node)));
    }

    private static Map<String, Object> top(String shown) {
        return Map.of("driver", "raw", "node-name", "top", "file", shown, "discard", "unmap");
    }

    private void awaitMounted(boolean wanted) throws IOException, InterruptedException {
        long end = System.nanoTime() + TIMEOUT.toNanos();
        while (isMounted() != wanted) {
            if (System.nanoTime() - end >= 0 || (wanted && !daemon.isAlive())) {
                throw new IOException(file + ": FUSE " + Files.readString(socket.resolveSibling("log")));
            }
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    private boolean isMounted() throws IOException {
        return Files.readString(Path.of("/proc/self/mounts")).contains(" " + file + " fuse");
    }

    void addNode(Map<String, Object> node) throws IOException {
        ask("blockdev-add", node);
    }

    /// From now on this node is served.
    void show(String node) throws IOException {
        ask("blockdev-reopen", Map.of("options", List.of(top(node))));
    }

    /// From now on nothing is answered, as by a device that hangs.
    void hang() throws IOException {
        Command.run(List.of("kill", "-STOP", Long.toString(daemon.pid())), TIMEOUT);
    }

    void carryOn() throws IOException {
        Command.run(List.of("kill", "-CONT", Long.toString(daemon.pid())), TIMEOUT);
    }

    private void ask(String command, Map<String, Object> arguments) throws IOException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            var in = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
            in.readLine();
            ask(channel, in, Map.of("execute", "qmp_capabilities"));
            ask(channel, in, Map.of("execute", command, "arguments", arguments));
        }
    }

    private static void ask(SocketChannel channel, BufferedReader in, Map<String, Object> command) throws IOException {
        channel.write(StandardCharsets.UTF_8.encode(Json.write(command) + "\n"));
        String answer = in.readLine();
        if (answer == null || !answer.contains("\"return\"")) {
            throw new IOException("storage daemon: " + answer);
        }
    }

    @Override
    public void close() throws IOException {
        carryOn();
        Command.tryRun(List.of("umount", "--lazy", file.toString()), TIMEOUT);
        daemon.destroy();
        try {
            if (!daemon.waitFor(TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
                daemon.destroyForcibly();
            }
            awaitMounted(false);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while the storage daemon was ended", e);
        }
        Files.deleteIfExists(socket.resolveSibling("log"));
        Files.deleteIfExists(socket);
        Files.deleteIfExists(socket.getParent());
    }
}
