package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.engine.Engine;
import dev.dormouse.engine.Home;
import dev.dormouse.engine.QemuTools;
import dev.dormouse.testkit.Leftovers;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// A daemon in this process, in a home of its own. Whatever QEMU is left is ended on close.
final class DaemonFixture implements AutoCloseable {
    private static final ApiDocument DOCUMENT = ApiDocument.ofThisBuild();

    final Path folder;
    final Home home;
    final Engine engine;
    private Daemon daemon;

    private final DaemonOptions options;

    DaemonFixture(Path folder) throws IOException {
        this(folder, new DaemonOptions(null, new InetSocketAddress(InetAddress.getLoopbackAddress(), 0)));
    }

    DaemonFixture(Path folder, DaemonOptions options) throws IOException {
        this.folder = folder;
        this.options = options;
        home = Home.at(folder.resolve("home"), folder.resolve("run").toString());
        engine = new Engine(home, QemuTools.locate(null));
        daemon = Daemon.start(home, options);
    }

    RestServer server() {
        return daemon.server();
    }

    Fronts fronts() {
        return daemon.fronts();
    }

    void restart() throws IOException {
        daemon.close();
        daemon = Daemon.start(home, options);
    }

    void endWithTheHost() {
        daemon.close(true);
    }

    void startAgain() throws IOException {
        daemon = Daemon.start(home, options);
    }

    DaemonClient client() {
        return new DaemonClient(DaemonClient.socket(home));
    }

    /// A body that the daemon takes must be one that its document permits.
    DaemonClient.Answer send(String method, String path, @Nullable String body) throws IOException {
        DaemonClient.Answer answer = client().send(method, path, body);
        if (body != null && answer.status() < 400) {
            DOCUMENT.checkBody(method, path, body);
        }
        return answer;
    }

    /// {@return what is answered with this status}
    Map<String, Object> ok(int status, String method, String path) throws IOException {
        DaemonClient.Answer answer = send(method, path, null);
        assertThat(answer.status()).as("%s %s: %s", method, path, answer.body()).isEqualTo(status);
        return Json.parseObject(answer.body());
    }

    Object state(String vm) throws IOException {
        return ok(200, "GET", "/v1/vms/" + vm).get("state");
    }

    /// Does something with a VM and waits until the operation has ended well.
    Map<String, Object> run(String action, String vm) throws Exception {
        DaemonClient.Answer answer = send("POST", "/v1/vms/" + vm + "/" + action + "?wait=60", null);
        assertThat(answer.status()).as("%s: %s", action, answer.body()).isEqualTo(202);
        Map<String, Object> view =
                awaitEnd(String.valueOf(Json.parseObject(answer.body()).get("id")));
        assertThat(view).as(view.toString()).containsEntry("state", "succeeded");
        return view;
    }

    /// {@return the operation when it has ended, well or not}
    Map<String, Object> awaitEnd(String operation) throws Exception {
        long end = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        while (true) {
            Map<String, Object> view = ok(200, "GET", "/v1/operations/" + operation);
            if (view.containsKey("ended")) {
                return view;
            }
            assertThat(System.nanoTime() - end).as(view.toString()).isNegative();
            Thread.sleep(10);
        }
    }

    /// Starts a command that does its work without the daemon.
    Process command(String... words) throws IOException {
        var all = Stream.concat(Stream.of("--no-daemon"), Stream.of(words)).toArray(String[]::new);
        var builder = new ProcessBuilder(ProgramInTest.command(all));
        builder.environment().putAll(ProgramInTest.environment(folder));
        return builder.redirectErrorStream(true)
                .redirectOutput(folder.resolve(words[0] + ".log").toFile())
                .start();
    }

    /// Resumes a VM without the daemon, and kills the page server and its parent while the guest waits for pages.
    void orphan(String vm) throws Exception {
        Process resume = command("resume", "--background-rate=off", vm); // Off: it is not over before it is killed.
        assertThat(resume.waitFor(60, TimeUnit.SECONDS)).isTrue();
        Map<String, Object> restore =
                Json.parseObject(Files.readString(home.vm(vm).resolve("restore.json")));
        long pid = ((Number) ((Map<?, ?>) restore.get("server")).get("pid")).longValue();
        ProcessHandle server = ProcessHandle.of(pid).orElseThrow();
        server.parent().orElseThrow().destroyForcibly();
        server.destroyForcibly();
    }

    @Override
    public void close() throws IOException {
        daemon.close();
        try {
            Leftovers.end(folder, Duration.ZERO);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while left-over processes were ended", e);
        }
    }
}
