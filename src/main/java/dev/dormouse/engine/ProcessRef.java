package dev.dormouse.engine;

import dev.dormouse.qmp.QemuProcess;
import io.avaje.jsonb.Json;

/// A process so that it can be told from another one that got its number later.
///
/// @param startTime field 22 of `/proc/PID/stat`, clock ticks since boot
@Json
public record ProcessRef(long pid, long startTime) {
    static ProcessRef of(QemuProcess qemu) {
        return new ProcessRef(qemu.pid(), qemu.startTimeTicks());
    }
}
