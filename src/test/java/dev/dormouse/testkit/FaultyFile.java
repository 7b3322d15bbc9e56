package dev.dormouse.testkit;

import dev.dormouse.base.Command;
import dev.dormouse.base.Json;
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

/// A file on a device that fails, for every process that opens it from now on: QEMU's storage daemon serves the file
/// by FUSE under its own name, and fails those accesses that it is told to, until it is mended. Needs root and FUSE;
/// a test is skipped where they are missing.
public final class FaultyFile implements AutoCloseable {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private final Path file;
    private final Path socket;
    private final Process daemon;

    private FaultyFile(Path file, Path socket, Process daemon) {
        this.file = file;
        this.socket = socket;
        this.daemon = daemon;
    }

    /// Which accesses fail.
    ///
    /// @param access `read`, `write` or `flush`
    /// @param offset the byte whose sector is bad; -1 for the whole file
    /// @param error as errno: 5 input/output error, 28 no space left
    public record Fault(String access, long offset, int error) {}

    /// Puts the file on such a device, which does not fail yet.
    public static FaultyFile over(Path file, Fault fault) throws IOException, InterruptedException {
        Assumptions.assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "only root may mount by FUSE");
        Path socket = Files.createTempDirectory("faulty").resolve("qmp");
        var argv = new ArrayList<>(List.of("qemu-storage-daemon"));
        argv.addAll(List.of(
                "--blockdev", Json.write(Map.of("driver", "file", "node-name", "good", "filename", file.toString()))));
        argv.addAll(List.of("--blockdev", Json.write(blkdebug(fault))));
        argv.addAll(List.of("--blockdev", "raw,node-name=top,file=good"));
        argv.addAll(List.of("--export", "fuse,id=export,node-name=top,writable=on,growable=on,mountpoint=" + file));
        argv.addAll(
                List.of("--chardev", "socket,id=qmp,server=on,wait=off,path=" + socket, "--monitor", "chardev=qmp"));
        Process daemon = new ProcessBuilder(argv)
                .redirectErrorStream(true)
                .redirectOutput(socket.resolveSibling("log").toFile())
                .start();
        var result = new FaultyFile(file, socket, daemon);
        result.awaitMounted(true);
        return result;
    }

    private static Map<String, Object> blkdebug(Fault fault) {
        var error = new java.util.LinkedHashMap<String, Object>();
        error.put("event", "none");
        error.put("iotype", fault.access());
        error.put("errno", fault.error());
        error.put("once", false);
        if (fault.offset() >= 0) {
            error.put("sector", fault.offset() / 512);
        }
        return Map.of("driver", "blkdebug", "node-name", "bad", "image", "good", "inject-error", List.of(error));
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

    /// From now on the accesses fail.
    public void fail() throws IOException {
        use("bad");
    }

    /// From now on nothing fails.
    public void mend() throws IOException {
        use("good");
    }

    private void use(String node) throws IOException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            channel.connect(UnixDomainSocketAddress.of(socket));
            var in = new java.io.BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
            in.readLine();
            ask(channel, in, Map.of("execute", "qmp_capabilities"));
            Map<String, Object> top = Map.of("driver", "raw", "node-name", "top", "file", node);
            ask(channel, in, Map.of("execute", "blockdev-reopen", "arguments", Map.of("options", List.of(top))));
        }
    }

    private static void ask(SocketChannel channel, java.io.BufferedReader in, Map<String, Object> command)
            throws IOException {
        channel.write(StandardCharsets.UTF_8.encode(Json.write(command) + "\n"));
        String answer = in.readLine();
        if (answer == null || !answer.contains("\"return\"")) {
            throw new IOException("storage daemon: " + answer);
        }
    }

    @Override
    public void close() throws IOException {
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
