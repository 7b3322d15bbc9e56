package dev.dormouse.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// What a process has used since its start, all of its threads together.
///
/// @param processorSeconds in user and in kernel mode
/// @param readBytes what it had read from block devices; what was in the page cache does not count
record ProcessUse(double processorSeconds, long readBytes) {
    private static final double TICKS_PER_SECOND = 100; // Of every Linux on x86.

    static ProcessUse of(long pid) throws IOException {
        Path process = Path.of("/proc", Long.toString(pid));
        String stat = Files.readString(process.resolve("stat"));
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        long readBytes = 0;
        for (String line : Files.readAllLines(process.resolve("io"))) {
            if (line.startsWith("read_bytes: ")) {
                readBytes = Long.parseLong(line.substring(12));
            }
        }
        return new ProcessUse((Long.parseLong(fields[11]) + Long.parseLong(fields[12])) / TICKS_PER_SECOND, readBytes);
    }

    static ProcessUse ofThisProcess() throws IOException {
        return of(ProcessHandle.current().pid());
    }

    ProcessUse since(ProcessUse earlier) {
        return new ProcessUse(processorSeconds - earlier.processorSeconds, readBytes - earlier.readBytes);
    }
}
