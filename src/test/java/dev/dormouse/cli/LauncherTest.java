package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Json;
import dev.dormouse.daemon.DaemonClient;
import dev.dormouse.daemon.DaemonProcess;
import dev.dormouse.engine.Home;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The program as people start it, `./dormouse`: the first command that wants a daemon starts one.
@Tag("qemu")
class LauncherTest extends CommandsFixture {
    private static final Duration LONG = Duration.ofMinutes(1);
    private static final Path ROOT =
            Path.of(System.getProperty("dormouse.root", ".")).toAbsolutePath();

    @BeforeEach
    void theProgramIsBuilt() throws Exception {
        Process built = new ProcessBuilder("bash", "-c", "source scripts/env.sh && program_is_current")
                .directory(ROOT.toFile())
                .start();
        assertThat(built.waitFor(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
        Assumptions.assumeTrue(
                built.exitValue() == 0, "target/dormouse.jar is older than its sources, './dev build' makes it");
    }

    @Test
    void theFirstCommandStartsTheDaemonAndTheNextOneUsesIt() throws Exception {
        var home = Home.fromEnvironment(CliRun.environment(folder));
        create("web");
        assertThat(DaemonProcess.find(home)).isEmpty();
        try {
            assertThat(Json.parseObject(launch("start", "--json", "web"))).containsEntry("state", "running");
            OptionalLong daemon = DaemonProcess.find(home);
            assertThat(daemon).isPresent();
            assertThat(Json.parseObject(launch("suspend", "--json", "web"))).containsEntry("vm", "web");
            assertThat(Json.parseObject(launch("resume", "--wait", "--json", "web")))
                    .containsEntry("state", "running");

            assertThat(DaemonProcess.find(home)).isEqualTo(daemon);
            assertThat(operations(home)).containsExactly("resume", "suspend", "start");
            assertThat(launch("serve", "--end")).isNotNull();
            assertThat(DaemonProcess.find(home)).isEmpty();
            assertThat(Files.readString(DaemonProcess.log(home))).contains("stopped");
            assertThat(facts("show", "--json", "web")).as("its VM outlives it").containsEntry("state", "running");
        } finally {
            DaemonProcess.end(home, LONG);
        }
    }

    private static List<Object> operations(Home home) throws IOException {
        String page = new DaemonClient(DaemonClient.socket(home))
                .send("GET", "/v1/operations", null)
                .body();
        return Json.parseObjects(Json.write(Json.parseObject(page).get("items"))).stream()
                .map(operation -> operation.get("kind"))
                .toList();
    }

    /// {@return what it prints}
    private String launch(String... arguments) throws Exception {
        var command = new ArrayList<>(List.of(ROOT.resolve("dormouse").toString()));
        command.addAll(List.of(arguments));
        Path out = folder.resolve("launched.out");
        Path err = folder.resolve("launched.err");
        var builder = new ProcessBuilder(command)
                .redirectInput(new File("/dev/null"))
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().remove("DORMOUSE_DAEMON");
        builder.environment().putAll(CliRun.environment(folder));
        Process process = builder.start();
        assertThat(process.waitFor(LONG.toSeconds(), TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue())
                .as("%s: %s", List.of(arguments), Files.readString(err))
                .isZero();
        return Files.readString(out);
    }
}
