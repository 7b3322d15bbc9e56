package dev.dormouse.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.bench.GuestImage;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Collectors;
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
        String line = command(args).stream().map(arg -> "'" + arg + "'").collect(Collectors.joining(" "));
        Path program = folder.resolve("command.sh");
        Files.writeString(program, "#!/bin/sh\nexec " + line + "\n");
        Files.setPosixFilePermissions(program, PosixFilePermissions.fromString("rwx------"));
        Path screen = folder.resolve("screen");
        var builder = new ProcessBuilder(List.of("script", "-qec", program.toString(), "/dev/null"))
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true)
                .redirectOutput(screen.toFile());
        builder.environment().putAll(CliRun.environment(folder));
        Process process = builder.start();
        assertThat(process.waitFor()).as(Files.readString(screen)).isEqualTo(exitCode);
        return Files.readString(screen, StandardCharsets.UTF_8);
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
    void drawsNothingWhereThereIsNoTerminal() throws Exception {
        create("x");
        ok("start", "x");
        ok("suspend", "x");

        Process process = process("resume", "--wait", "--background-rate=10M", "x");

        assertThat(process.waitFor()).isZero();
        assertThat(processErrors()).isEmpty();
    }
}
