package dev.dormouse.disk;

import dev.dormouse.base.Command;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/// Makes disks by QEMU's own tools, and converts them by QEMU for comparison.
///
/// @param image the `qemu-img` to use
public record DiskTools(Path image) {
    private static final Duration PATIENCE = Duration.ofMinutes(2);

    /// {@return the tools of this version: 7.2 is the system's; skips the test where they are not there}
    public static DiskTools of(String version) {
        if (version.equals("7.2")) {
            return new DiskTools(Path.of("/usr/bin/qemu-img"));
        }
        String folder = System.getProperty("dormouse.qemu10", "");
        Assumptions.assumeTrue(!folder.isEmpty(), "QEMU 10.0 is not unpacked, see scripts/qemu10.sh");
        return new DiskTools(Path.of(folder, "bin", "qemu-img"));
    }

    public QemuImg qemuImg() {
        return new QemuImg(image);
    }

    /// Creates a disk; the arguments are those after `qemu-img create -q`.
    public void create(String... arguments) throws IOException {
        run(List.of(image.toString(), "create", "-q"), arguments);
    }

    /// Changes a disk by commands of qemu-io, as `write -P 7 64k 4k`.
    public void io(Path disk, Layer.Format format, String... commands) throws IOException {
        var argv = new ArrayList<>(List.of("qemu-io", "-d", "unmap", "-f", format.qemuName()));
        for (String command : commands) {
            argv.add("-c");
            argv.add(command);
        }
        argv.add(disk.toString());
        run(argv);
    }

    /// Writes the whole disk, as the guest sees it, to a raw file.
    public Path convert(Layer top, Path raw) throws IOException {
        run(
                List.of(image.toString(), "convert", "-f", top.format().qemuName(), "-O", "raw", top.path()),
                raw.toString());
        return raw;
    }

    private static void run(List<String> argv, String... more) throws IOException {
        var all = new ArrayList<>(argv);
        all.addAll(List.of(more));
        Command.run(all, PATIENCE);
    }
}
