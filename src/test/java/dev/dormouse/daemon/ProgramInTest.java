package dev.dormouse.daemon;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The program as it is compiled now, in a process of its own, for a home in a test's folder.
final class ProgramInTest {
    private ProgramInTest() {}

    /// @param arguments of `dormouse`
    static List<String> command(String... arguments) {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-ea:dev.dormouse...",
                "--enable-native-access=ALL-UNNAMED",
                "-Xmx512m",
                "-cp",
                System.getProperty("java.class.path"),
                "dev.dormouse.cli.Main"));
        command.addAll(List.of(arguments));
        return command;
    }

    /// {@return where it finds the home of a test, as [DaemonFixture] has it}
    static Map<String, String> environment(Path folder) {
        return Map.of(
                "DORMOUSE_HOME", folder.resolve("home").toString(),
                "XDG_RUNTIME_DIR", folder.resolve("run").toString());
    }
}
