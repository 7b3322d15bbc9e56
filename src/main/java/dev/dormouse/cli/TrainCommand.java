package dev.dormouse.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/// Goes once through the life of a tiny VM in this process. The build runs it to find out which classes the
/// commands load: with those in the class archive a cold process resumes a VM in half the time.
@Command(
        name = "train",
        hidden = true,
        description = "Takes a tiny VM through create, start, suspend, resume and stop; for the build.",
        footerHeading = "%nExamples:%n",
        footer = "  dormouse train --folder /var/tmp/empty")
final class TrainCommand implements Callable<Integer> {
    private static final String VM = "training";
    private static final int DISK_BYTES = 1 << 20;

    @Spec
    private CommandSpec spec;

    @Option(names = "--folder", paramLabel = "DIR", required = true, description = "An empty folder, which it fills.")
    private Path folder;

    @Override
    public Integer call() throws IOException {
        Path disk = writeDisk();
        Path events = folder.resolve("events");
        run("vm", "create", VM, "--memory=32M", "--memory-backend=anonymous", "--disk=" + disk);
        run("start", VM);
        try {
            run("suspend", VM, "--json");
            run("page-server", "--events=" + events, VM);
            run("list");
            run("show", VM, "--json");
        } finally {
            run("stop", "--force", VM);
        }
        return 0;
    }

    /// Half of it is data that the index of the disk has to hold.
    private Path writeDisk() throws IOException {
        Path disk = folder.resolve("disk.raw");
        byte[] data = new byte[DISK_BYTES / 2];
        new Random(1).nextBytes(data);
        Files.write(disk, data);
        try (var channel = FileChannel.open(disk, StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.allocate(1), DISK_BYTES - 1);
        }
        return disk;
    }

    private void run(String... args) {
        Map<String, String> environment = new HashMap<>(((Main) spec.root().userObject()).environment());
        environment.put("DORMOUSE_HOME", folder.resolve("home").toString());
        environment.put("DORMOUSE_DAEMON", "none");
        environment.put("XDG_RUNTIME_DIR", folder.toString());
        var nowhere = new PrintWriter(Writer.nullWriter());
        if (Main.run(environment, nowhere, spec.commandLine().getErr(), args) != 0) {
            throw new ParameterException(
                    spec.commandLine(), "rehearsal: '%s' failed".formatted(String.join(" ", List.of(args))));
        }
    }
}
