package dev.dormouse.cli;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Has the layers of a VM that was started indexed by a process of its own, which works only when nobody else
/// wants to, and ends with the VM's QEMU at the latest. Ctrl-C does not reach it.
final class BackgroundIndex {
    private BackgroundIndex() {}

    /// Starts it if an index is missing. That it cannot be started is no reason for a VM not to be: the first
    /// suspend makes what is missing.
    static void start(Main main, String name) {
        try {
            if (main.engine().needsIndexing(name)) {
                spawn(main, name);
            }
        } catch (IOException _) {
            // Left to the first suspend.
        }
    }

    private static void spawn(Main main, String name) throws IOException {
        var argv = new ArrayList<>(List.of("setsid", "--"));
        argv.addAll(OwnCommand.line());
        argv.addAll(List.of("index", "--idle", "--vm", name));
        Path qemu = main.qemu();
        if (qemu != null) {
            argv.addAll(List.of("--qemu", qemu.toAbsolutePath().toString()));
        }
        var builder = new ProcessBuilder(argv)
                .redirectInput(new File("/dev/null"))
                .redirectErrorStream(true)
                .redirectOutput(main.home().vm(name).resolve("index.log").toFile());
        builder.environment().putAll(main.environment());
        builder.start();
    }
}
