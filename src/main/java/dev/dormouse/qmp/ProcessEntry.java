package dev.dormouse.qmp;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/// What the kernel tells about a process in `/proc/PID/stat`.
///
/// @param state of the thread that the process began with, for example `S`; `Z` once this one has ended
/// @param threads not yet gone, that one counted
/// @param startTimeTicks since the boot of the host; with the pid it names a process for ever
public record ProcessEntry(char state, long sessionId, int threads, long startTimeTicks) {
    private static final int STATE = 0; // Field 3 of proc(5); the two before it end at the last ')'.
    private static final int SESSION = 3;
    private static final int THREADS = 17;
    private static final int START_TIME = 19;

    /// {@return the entry, or empty when there is no such process}
    public static Optional<ProcessEntry> of(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"), StandardCharsets.ISO_8859_1);
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
            return Optional.of(new ProcessEntry(
                    fields[STATE].charAt(0),
                    Long.parseLong(fields[SESSION]),
                    Integer.parseInt(fields[THREADS]),
                    Long.parseLong(fields[START_TIME])));
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    /// {@return the file that the process executes, or empty when it is gone or not ours to see}
    static Optional<Path> executable(long pid) {
        try {
            return Optional.of(Files.readSymbolicLink(Path.of("/proc", Long.toString(pid), "exe")));
        } catch (IOException _) {
            return Optional.empty();
        }
    }

    /// {@return whether nothing of the process is left but its entry} A killed process whose first thread is gone may
    /// have others that hold its files, and so their locks, for a while yet.
    public boolean hasEnded() {
        return (state == 'Z' || state == 'X' || state == 'x') && threads <= 1;
    }
}
