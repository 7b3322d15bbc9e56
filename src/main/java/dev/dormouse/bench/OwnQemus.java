package dev.dormouse.bench;

import dev.dormouse.engine.Engine;
import dev.dormouse.qmp.ProcessEntry;
import dev.dormouse.qmp.QemuProcess;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

/// The QEMU processes of one home.
final class OwnQemus {
    private static final int KILL_SECONDS_MAX = 10;

    private OwnQemus() {}

    /// {@return the QEMU of a VM that runs}
    static QemuProcess of(Engine engine, String vm) throws IOException {
        Long pid = engine.status(vm).pid();
        if (pid == null) {
            throw new ProbeException("vm " + vm + ": its QEMU has ended, see "
                    + engine.home().vm(vm).resolve("qemu.log"));
        }
        return ProcessEntry.of(pid)
                .flatMap(entry -> QemuProcess.attach(pid, entry.startTimeTicks()))
                .orElseThrow(() -> new ProbeException("vm " + vm + ": its QEMU has just ended"));
    }

    /// Ends them all and waits until they are gone: by their command lines, which name the sockets: one that was just
    /// started is recorded nowhere.
    ///
    /// @param runtime the folder of the sockets
    static void kill(Path runtime) throws IOException {
        try (Stream<Path> processes = Files.list(Path.of("/proc"))) {
            for (Path process : (Iterable<Path>) processes::iterator) {
                if (process.getFileName().toString().matches("[0-9]+") && isOf(process, runtime)) {
                    ProcessHandle.of(Long.parseLong(process.getFileName().toString()))
                            .ifPresent(OwnQemus::kill);
                }
            }
        }
    }

    private static void kill(ProcessHandle process) {
        process.destroyForcibly();
        try {
            process.onExit().get(KILL_SECONDS_MAX, TimeUnit.SECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException | TimeoutException _) {
            // It is stuck in the kernel; whoever needs it gone will find it.
        }
    }

    private static boolean isOf(Path process, Path runtime) {
        try {
            String commandLine = Files.readString(process.resolve("cmdline"), StandardCharsets.ISO_8859_1);
            return commandLine.contains("path=" + runtime + "/");
        } catch (IOException _) {
            return false; // It has ended.
        }
    }
}
