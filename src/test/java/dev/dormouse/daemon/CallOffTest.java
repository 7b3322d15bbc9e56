package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.base.Json;
import dev.dormouse.bench.GuestImage;
import dev.dormouse.bench.GuestProbe;
import dev.dormouse.bench.GuestVm;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A suspend or checkpoint that the daemon does is called off in its middle, by whoever may: the guest runs on, has
/// lost nothing, and no file is left.
@Tag("qemu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CallOffTest {
    private static final Duration LONG = Duration.ofMinutes(1);
    /// So much that nobody has written it to an image before it is called off.
    private static final int PATTERN_MEBIBYTES = 320;

    private static final String RUNS_ON = "vm web: cancelled, the VM runs on";

    @TempDir
    static Path folder;

    private DaemonFixture fixture;
    private Object qemu;

    @BeforeAll
    void boot() throws Exception {
        fixture = new DaemonFixture(folder);
        fixture.engine.create(GuestVm.request(GuestImage.locate(), "web", "512M"));
        fixture.run("start", "web");
        try (GuestProbe probe = GuestVm.connect(fixture.home, "web", LONG)) {
            probe.ping("boot", LONG);
            probe.fill("pattern", 7, PATTERN_MEBIBYTES, 100, LONG);
        }
        qemu = fixture.ok(200, "GET", "/v1/vms/web").get("pid");
    }

    @AfterAll
    void end() throws IOException {
        fixture.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"suspend", "checkpoint"})
    void byWhoeverCancelsTheOperation(String action) throws Exception {
        String operation = begin(action);

        fixture.ok(202, "DELETE", "/v1/operations/" + operation);

        assertThat(fixture.awaitEnd(operation))
                .containsEntry("state", "cancelled")
                .extracting("error")
                .asString()
                .contains(RUNS_ON);
        assertRunsOn(action);
    }

    @ParameterizedTest
    @ValueSource(strings = {"suspend", "checkpoint"})
    void byTheEndOfTheDaemon(String action) throws Exception {
        begin(action);

        fixture.restart();

        assertRunsOn(action);
    }

    /// As Ctrl-C in a shell.
    @ParameterizedTest
    @ValueSource(strings = {"suspend", "checkpoint"})
    void byTheCommandThatWantedItWhenThatIsInterrupted(String action) throws Exception {
        Path log = folder.resolve("command.log");
        var command = new ArrayList<>(List.of("env", "--default-signal=INT"));
        command.addAll(ProgramInTest.command(action, "web"));
        var builder = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().putAll(ProgramInTest.environment(folder));
        Process process = builder.start();
        try {
            awaitCapturing(action);
            Command.run(List.of("kill", "-INT", Long.toString(process.pid())), LONG);

            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        } finally {
            process.destroyForcibly();
        }

        assertThat(Files.readString(log)).isEqualTo("dormouse: " + RUNS_ON + "\n");
        assertThat(process.exitValue()).isEqualTo(130);
        assertRunsOn(action);
    }

    /// {@return the operation, in its middle}
    private String begin(String action) throws Exception {
        DaemonClient.Answer answer = fixture.send("POST", "/v1/vms/web/" + action, null);
        assertThat(answer.status()).as(answer.body()).isEqualTo(202);
        return awaitCapturing(action);
    }

    private String awaitCapturing(String action) throws Exception {
        long end = System.nanoTime() + LONG.toNanos();
        while (true) {
            Map<String, Object> newest = newest("/v1/operations?limit=1");
            boolean begun = action.equals(newest.get("kind")) && !newest.containsKey("ended");
            if (begun && newest.get("done") instanceof Number) {
                return String.valueOf(newest.get("id"));
            }
            assertThat(System.nanoTime() - end).as("%s", newest).isNegative();
            Thread.sleep(5);
        }
    }

    private Map<String, Object> newest(String page) throws IOException {
        List<?> items = (List<?>) fixture.ok(200, "GET", page).get("items");
        return items.isEmpty() ? Map.of() : Json.parseObject(Json.write(items.getFirst()));
    }

    private void assertRunsOn(String action) throws Exception {
        assertThat(newest("/v1/vms/web/history?limit=1"))
                .containsEntry("kind", action)
                .containsEntry("outcome", "cancelled");
        assertThat(fixture.ok(200, "GET", "/v1/vms/web"))
                .containsEntry("state", "running")
                .containsEntry("pid", qemu)
                .doesNotContainKeys("image", "operation");
        try (GuestProbe probe = GuestVm.connect(fixture.home, "web", LONG)) {
            assertThat(probe.verify("pattern", LONG)).isEqualTo((long) PATTERN_MEBIBYTES << 20);
        }
        try (Stream<Path> images = Files.list(fixture.home.images())) {
            assertThat(images).isEmpty();
        }
    }
}
