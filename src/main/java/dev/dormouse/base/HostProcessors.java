package dev.dormouse.base;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.concurrent.TimeUnit;

/// What all processors of this host together have done by some moment: the first line of `/proc/stat` (proc(5)), which
/// counts in hundredths of a second. Immutable.
///
/// @param atNanos that moment, by `System.nanoTime`
/// @param idleSeconds nobody wanted them, and nobody waited for a disk
/// @param stolenSeconds somebody wanted them, and the host of this virtual machine had given them to others
public record HostProcessors(long atNanos, double idleSeconds, double stolenSeconds) {
    private static final Path STAT = Path.of("/proc/stat");
    private static final double TICKS_PER_SECOND = 100; // Of every Linux on x86.
    /// Of the fields: name, user, nice, system, idle, iowait, irq, softirq, steal.
    private static final int IDLE = 4;

    private static final int STOLEN = 8;

    public static HostProcessors read() throws IOException {
        try (BufferedReader lines = Files.newBufferedReader(STAT)) {
            return of(Objects.requireNonNullElse(lines.readLine(), ""), System.nanoTime());
        }
    }

    /// @param line the first of `/proc/stat`
    static HostProcessors of(String line, long atNanos) throws IOException {
        String[] fields = line.split(" +", -1);
        if (fields.length <= STOLEN || !fields[0].equals("cpu")) {
            throw new IOException(STAT + ": begins with '" + line + "', 'cpu' and eight numbers are expected");
        }
        return new HostProcessors(atNanos, seconds(fields[IDLE]), seconds(fields[STOLEN]));
    }

    private static double seconds(String ticks) throws IOException {
        try {
            return Long.parseLong(ticks) / TICKS_PER_SECOND;
        } catch (NumberFormatException e) {
            throw new IOException(STAT + ": has '" + ticks + "', a number is expected", e);
        }
    }

    /// {@return how many processors were idle since then, in the mean; NaN if no time has passed}
    public double idleSince(HostProcessors earlier) {
        return (idleSeconds - earlier.idleSeconds) / secondsSince(earlier);
    }

    /// {@return how many processors were not to be had although somebody wanted them, in the mean; NaN if no time has
    /// passed}
    public double stolenSince(HostProcessors earlier) {
        return (stolenSeconds - earlier.stolenSeconds) / secondsSince(earlier);
    }

    private double secondsSince(HostProcessors earlier) {
        return (atNanos - earlier.atNanos) / (double) TimeUnit.SECONDS.toNanos(1);
    }
}
