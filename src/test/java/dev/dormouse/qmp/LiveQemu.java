package dev.dormouse.qmp;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// A real QEMU for one test, with a machine that executes nothing until `cont`.
final class LiveQemu implements AutoCloseable {
    static final Duration BOUND = Duration.ofSeconds(60);

    final QemuProcess process;
    final QmpClient qmp;

    private LiveQemu(QemuProcess process, QmpClient qmp) {
        this.process = process;
        this.qmp = qmp;
    }

    static LiveQemu start(Path directory, String... options) throws IOException {
        Path socket = directory.resolve("qmp-" + options.length + ".sock");
        QemuProcess process =
                QemuProcess.start(new QemuProcess.Spec(argv(socket, List.of(options)), directory.resolve("qemu.log")));
        try {
            return new LiveQemu(process, QmpClient.connect(socket, BOUND, process));
        } catch (IOException | RuntimeException e) {
            process.kill();
            throw e;
        }
    }

    static List<String> argv(Path socket, List<String> options) throws IOException {
        List<String> argv = new ArrayList<>(List.of(
                QemuBinary.locate(null).path().toString(),
                "-nodefaults",
                "-no-user-config",
                "-display",
                "none",
                "-S",
                "-qmp",
                "unix:" + socket + ",server=on,wait=off"));
        argv.addAll(options);
        return argv;
    }

    @Override
    public void close() throws IOException {
        try (qmp) {
            process.kill();
        }
    }
}
