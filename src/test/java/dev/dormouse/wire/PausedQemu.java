package dev.dormouse.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.dormouse.base.Json;
import java.io.BufferedReader;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/// A QEMU that is ended whatever happens, and one QMP connection to it.
final class PausedQemu implements AutoCloseable {
    /// {@return how to call the QEMU that is installed, or the one of `dormouse.qemu10`}
    static List<String> executable(String version) {
        if (version.equals("installed")) {
            return List.of("qemu-system-x86_64");
        }
        String home = System.getProperty("dormouse.qemu10", "");
        assumeTrue(!home.isEmpty(), "dormouse.qemu10 names no QEMU 10.0");
        return List.of(home + "/bin/qemu-system-x86_64", "-L", home + "/share/qemu", "-L", home + "/share/seabios");
    }

    private final Path folder;
    private final Process process;
    private final SocketChannel qmp;
    private final BufferedReader replies;

    PausedQemu(List<String> command, Path folder) throws IOException, InterruptedException {
        this.folder = folder;
        Path socket = folder.resolve("qmp" + command.hashCode());
        var all = new ArrayList<>(command);
        all.addAll(List.of("-S", "-nodefaults", "-display", "none", "-qmp"));
        all.add("unix:" + socket + ",server=on,wait=off");
        process = new ProcessBuilder(all)
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("log").toFile())
                .start();
        try {
            qmp = connect(socket);
            replies = new BufferedReader(Channels.newReader(qmp, StandardCharsets.UTF_8));
            replies.readLine();
            command("qmp_capabilities", Map.of());
        } catch (IOException | RuntimeException | Error e) { // A failed assertion is an Error.
            close();
            throw new IOException(Files.readString(folder.resolve("log")), e);
        }
    }

    private SocketChannel connect(Path socket) throws IOException, InterruptedException {
        while (process.isAlive()) {
            try {
                return SocketChannel.open(UnixDomainSocketAddress.of(socket));
            } catch (IOException e) {
                Thread.sleep(10); // The class has a time limit.
            }
        }
        throw new IOException("QEMU did not start");
    }

    Map<String, Object> command(String name, Map<String, Object> arguments) throws IOException {
        String line = Json.write(Map.of("execute", name, "arguments", arguments)) + "\n";
        qmp.write(ByteBuffer.wrap(line.getBytes(StandardCharsets.UTF_8)));
        while (true) {
            Map<String, Object> reply = Json.parseObject(replies.readLine());
            assertThat(reply).doesNotContainKey("error");
            if (reply.containsKey("return")) {
                return reply;
            }
        }
    }

    Capture capture(CaptureOptions options) throws IOException {
        var address = UnixDomainSocketAddress.of(folder.resolve("stream" + process.pid()));
        try (var server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(address);
            command("migrate-set-parameters", Map.of("max-bandwidth", 0));
            command("migrate", Map.of("uri", "unix:" + address.getPath()));
            try (var stream = server.accept()) {
                var reader = new MigrationStreamReader(stream, "qemu", options);
                var capture = new Capture();
                StreamMessage next;
                do {
                    next = reader.next();
                    capture.take(next);
                } while (!(next instanceof StreamMessage.EndOfStream));
                return capture;
            }
        }
    }

    /// Waits until the property of the reply has the value; the test has a time limit.
    void await(String name, String property, Object value) throws IOException, InterruptedException {
        while (!value.equals(result(name).get(property))) {
            Thread.sleep(5);
        }
    }

    Map<?, ?> result(String name) throws IOException {
        return (Map<?, ?>) command(name, Map.of()).get("return");
    }

    void capability(String name, boolean on) throws IOException {
        var setting = Map.of("capability", name, "state", on);
        command("migrate-set-capabilities", Map.of("capabilities", List.of(setting)));
    }

    /// Makes it listen as the destination of a postcopy migration and connects.
    SocketChannel incoming() throws IOException {
        Path socket = folder.resolve("in" + process.pid());
        capability("postcopy-ram", true);
        command("migrate-incoming", Map.of("uri", "unix:" + socket));
        return SocketChannel.open(UnixDomainSocketAddress.of(socket));
    }

    /// Lets it wait for the connection of a recovery, as soon as it has noticed the loss, and connects.
    SocketChannel recover() throws IOException, InterruptedException {
        Path socket = folder.resolve("again" + process.pid());
        await("query-migrate", "status", "postcopy-paused");
        command("migrate-recover", Map.of("uri", "unix:" + socket));
        return SocketChannel.open(UnixDomainSocketAddress.of(socket));
    }

    @Override
    public void close() {
        process.destroyForcibly();
        process.onExit().orTimeout(10, TimeUnit.SECONDS).join();
    }
}
