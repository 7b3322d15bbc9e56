package dev.dormouse.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// How this very program is run again, for processes in the background.
final class OwnCommand {
    private OwnCommand() {}

    /// {@return the command line of this very program: the same Java, the same build}
    ///
    /// Not the launcher: that would build anew where sources were edited meanwhile, and it costs time in
    /// which the guest does not run.
    static List<String> line() {
        List<String> own = List.of(ProcessHandle.current().info().arguments().orElse(new String[0]));
        int jar = own.indexOf("-jar");
        var argv = new ArrayList<String>();
        argv.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        if (System.getProperty("dormouse.launcher") != null && jar >= 0 && jar + 1 < own.size()) {
            argv.addAll(own.subList(0, jar + 2));
        } else {
            argv.addAll(List.of(
                    "--enable-native-access=ALL-UNNAMED",
                    "-cp",
                    System.getProperty("java.class.path"),
                    Main.class.getName()));
        }
        return argv;
    }
}
