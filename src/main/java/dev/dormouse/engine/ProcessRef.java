package dev.dormouse.engine;

import dev.dormouse.qmp.ProcessEntry;
import dev.dormouse.qmp.QemuProcess;
import io.avaje.jsonb.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A process so that it can be told from another one that got its number later, also after the host was started anew.
///
/// @param startTime field 22 of `/proc/PID/stat`, clock ticks since boot
/// @param bootId names the boot; null in what earlier builds recorded
@Json
public record ProcessRef(long pid, long startTime, @Nullable String bootId) {
    private static final Path BOOT_ID = Path.of("/proc/sys/kernel/random/boot_id");
    private static volatile @Nullable String knownBoot;

    static ProcessRef of(QemuProcess qemu) throws IOException {
        return new ProcessRef(qemu.pid(), qemu.startTimeTicks(), thisBoot());
    }

    /// {@return this process}
    static ProcessRef self() throws IOException {
        long pid = ProcessHandle.current().pid();
        long startTime = ProcessEntry.of(pid)
                .map(ProcessEntry::startTimeTicks)
                .orElseThrow(() -> new IllegalStateException("/proc does not show this process"));
        return new ProcessRef(pid, startTime, thisBoot());
    }

    /// {@return the boot under way, which no process outlives}
    private static String thisBoot() throws IOException {
        String known = knownBoot;
        if (known == null) {
            known = Files.readString(BOOT_ID).strip();
            knownBoot = known;
        }
        return known;
    }

    /// {@return the process if it still lives}
    Optional<QemuProcess> process(Path log) throws IOException {
        return bootId == null || bootId.equals(thisBoot()) ? QemuProcess.attach(pid, startTime, log) : Optional.empty();
    }
}
