package dev.dormouse.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Memory sizes as people write them: a number and K, M, G or T, by powers of 1024.
public final class MemorySize {
    private static final Pattern FORM = Pattern.compile("(\\d{1,9})([KMGT])(i?B)?", Pattern.CASE_INSENSITIVE);

    private static final Pattern HOST_TOTAL = Pattern.compile("MemTotal:\\s+(\\d+) kB");

    private MemorySize() {}

    /// {@return the size in bytes}
    ///
    /// @param what names the size for whoever gave it, for example `--memory`
    /// @throws IllegalArgumentException if the text has another form
    public static long parse(String what, String text) {
        Matcher form = FORM.matcher(text.strip());
        if (!form.matches()) {
            throw new IllegalArgumentException(
                    "%s is '%s', a number with K, M, G or T is allowed, as in 4G".formatted(what, text));
        }
        int shift = switch (Character.toUpperCase(form.group(2).charAt(0))) {
            case 'K' -> 10;
            case 'M' -> 20;
            case 'G' -> 30;
            default -> 40;
        };
        long count = Long.parseLong(form.group(1));
        if (count > Long.MAX_VALUE >> shift) {
            throw new IllegalArgumentException("%s is '%s', less than 8388608T is allowed".formatted(what, text));
        }
        return count << shift;
    }

    /// {@return the memory of this host in bytes}
    static long ofHost() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
            Matcher total = HOST_TOTAL.matcher(line);
            if (total.matches()) {
                return Long.parseLong(total.group(1)) << 10;
            }
        }
        throw new VmException("/proc/meminfo: has no line MemTotal, is /proc mounted?");
    }

    /// {@return the size for people, in the largest unit that leaves a number of 1 or more}
    public static String format(long bytes) {
        String[] units = {"B", "KiB", "MiB", "GiB", "TiB"};
        double value = bytes;
        int unit = 0;
        while (value >= 1024 && unit < units.length - 1) {
            value /= 1024;
            unit++;
        }
        return unit == 0 || value >= 100
                ? "%.0f %s".formatted(value, units[unit])
                : "%.1f %s".formatted(value, units[unit]);
    }
}
