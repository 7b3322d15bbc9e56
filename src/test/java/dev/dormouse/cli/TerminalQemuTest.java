package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.Command;
import dev.dormouse.bench.GuestImage;
import dev.dormouse.daemon.Daemon;
import dev.dormouse.daemon.DaemonOptions;
import dev.dormouse.engine.Home;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What is drawn where standard error is a real terminal, which `script` of util-linux makes, and where it
/// is none.
@Tag("qemu")
@Timeout(180)
class TerminalQemuTest extends CommandsFixture {
    private static final String CLEAR = "\r\033[K";

    /// {@return all that the command wrote to a terminal of its own}
    private String onTerminal(int exitCode, String... args) throws Exception {
        Process process = startOnTerminal(args);
        assertThat(process.waitFor()).as(screen()).isEqualTo(exitCode);
        return screen();
    }

    private String screen() throws IOException {
        return Files.readString(folder.resolve("screen"), StandardCharsets.UTF_8);
    }

    private Process startOnTerminal(String... args) throws Exception {
        String line = command(args).stream().map(arg -> "'" + arg + "'").collect(Collectors.joining(" "));
        Path program = folder.resolve("command.sh");
        Files.writeString(program, "#!/bin/sh\nexec env --default-signal=INT " + line + "\n");
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwx------"));
        var builder = new ProcessBuilder(List.of("script", "-qec", program.toString(), "/dev/null"))
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("screen").toFile());
        builder.environment().putAll(CliRun.environment(folder));
        return builder.start();
    }

    /// The project's guest, not only firmware: its memory takes a while.
    @Test
    void drawsABarWithRateAndTimeLeftAndWipesIt() throws Exception {
        GuestImage guest = GuestImage.locate();
        String[] kernel = {"--kernel=" + guest.kernel(), "--initrd=" + guest.initrd(), "--append=" + guest.append()};
        ok("vm", "create", "x", "--memory=256M", "--accel=tcg", kernel[0], kernel[1], kernel[2]);
        ok("start", "x");
        Path console = folder.resolve("home/vms/x/serial.log");
        await("the kernel speaks", () -> Files.exists(console) && Files.size(console) > 0);
        ok("suspend", "x");

        String screen = onTerminal(0, "resume", "--wait", "--background-rate=10M", "x");

        assertThat(screen)
                .containsPattern("\r\033\\[Krestoring \\[#* *] +\\d+%  [0-9.]+ [KM]iB of [0-9.]+ [KM]iB, "
                        + "[0-9.]+ [KM]?i?B/s, \\d+ (s|min \\d+ s) left");
        String last = screen.substring(screen.lastIndexOf(CLEAR) + CLEAR.length());
        assertThat(last).matches("vm x: running after [^\r\n]* complete after [^\r\n]*\r\n");
    }

    @Test
    void showsWhatItWaitsForAndWipesIt() throws Exception {
        create("x");
        ok("start", "x");

        String screen = onTerminal(1, "stop", "--timeout=3", "x");

        assertThat(screen)
                .isEqualTo(CLEAR + "waiting for the guest to shut down ..." + CLEAR
                        + "dormouse: vm x: the guest did not shut down within 3 s, "
                        + "'dormouse stop --force x' ends it at once\r\n");
    }

    @Test
    void topIsDrawnAnewUntilItIsInterrupted() throws Exception {
        create("a");
        create("b");
        Process top;
        try (Daemon _ = Daemon.start(Home.fromEnvironment(CliRun.environment(folder)), new DaemonOptions(null, null))) {
            fails(2, "--interval and --lines: 1 or more are allowed", "top", "--interval=0");
            fails(2, "--interval and --lines: 1 or more are allowed", "top", "--lines=0");
            top = startOnTerminal("top", "--interval=1", "--lines=1");
            try {
                await(
                        "it is drawn",
                        () -> frames().size() == 1 && frames().getFirst().contains("more"),
                        this::screen);
                ok("start", "b");
                int begun = frames().size();
                long begin = System.nanoTime();
                await("it is drawn anew", () -> frames().size() >= begun + 3, this::screen);
                assertThat(System.nanoTime() - begin).isGreaterThan(TimeUnit.MILLISECONDS.toNanos(1500));
                top.descendants().forEach(TerminalQemuTest::interrupt);
                assertThat(top.waitFor(30, TimeUnit.SECONDS)).isTrue();
            } finally {
                top.descendants().forEach(ProcessHandle::destroyForcibly);
                top.destroyForcibly();
            }
        }

        assertThat(top.exitValue()).isEqualTo(130);
        assertThat(frames().getFirst())
                .startsWith("2 VMs, 0 awake with 0 B;")
                .containsPattern("\r\na +stopped ")
                .doesNotContain("\nb ")
                .endsWith("and 1 more\r\n");
        assertThat(frames().getLast())
                .startsWith("2 VMs, 1 awake with 64.0 MiB;")
                .containsPattern("\r\nb +running ")
                .doesNotContain("\na ")
                .endsWith("and 1 more\r\n");
    }

    /// {@return what stood on the screen one after another, between what clears it}
    private List<String> frames() throws IOException {
        return Stream.of(screen().split(Pattern.quote("\033[H\033[J")))
                .filter(frame -> !frame.isEmpty())
                .toList();
    }

    private static void interrupt(ProcessHandle process) {
        try {
            Command.run(List.of("kill", "-INT", Long.toString(process.pid())), Duration.ofSeconds(10));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void drawsNothingWhereThereIsNoTerminal() throws Exception {
        create("x");
        ok("start", "x");
        ok("suspend", "x");

        Process process = process("resume", "--wait", "--background-rate=10M", "x");

        assertThat(process.waitFor()).isZero();
        assertThat(processErrors()).isEmpty();
    }
}
