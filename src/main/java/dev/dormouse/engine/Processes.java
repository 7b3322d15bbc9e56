package dev.dormouse.engine;

import dev.dormouse.qmp.ProcessEntry;

/// References to processes of ours.
final class Processes {
    private Processes() {}

    /// {@return this process}
    static ProcessRef self() {
        long pid = ProcessHandle.current().pid();
        long startTime = ProcessEntry.of(pid)
                .map(ProcessEntry::startTimeTicks)
                .orElseThrow(() -> new IllegalStateException("/proc does not show this process"));
        return new ProcessRef(pid, startTime);
    }
}
