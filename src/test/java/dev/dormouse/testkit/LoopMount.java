package dev.dormouse.testkit;

import dev.dormouse.base.Command;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Assumptions;

/// A small ext4 in a file, mounted: what a machine keeps on its only disk. Needs root; a test is skipped where
/// nothing can be mounted.
public final class LoopMount implements AutoCloseable {
    private static final Duration TIMEOUT = Duration.ofMinutes(1);
    private final Path at;

    private LoopMount(Path at) {
        this.at = at;
    }

    /// Makes a file with an empty file system.
    public static void format(Path file, long lengthBytes) throws IOException {
        try (var device = new RandomAccessFile(file.toFile(), "rw")) {
            device.setLength(lengthBytes);
        }
        Command.run(List.of("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", file.toString()), TIMEOUT);
    }

    /// @param at a folder, made if it is missing
    public static LoopMount mount(Path file, Path at) throws IOException {
        Files.createDirectories(at);
        var result = Command.tryRun(List.of("mount", "-o", "loop", file.toString(), at.toString()), TIMEOUT);
        Assumptions.assumeTrue(
                result.exitCode() == 0, "no file can be mounted here, which needs root and loop devices");
        return new LoopMount(at);
    }

    /// {@return where in the file under it these bytes of a file of the file system are}
    public static long physicalOffset(Path file, long offset) throws IOException {
        // Columns: number, first..last logical block, first..last physical block, length.
        String table = Command.run(List.of("filefrag", "-s", "-b4096", "-v", file.toString()), TIMEOUT);
        long block = offset / 4096;
        for (String line : table.lines().toList()) {
            String[] fields = line.strip().split("[:.\\s]+");
            if (fields.length > 4 && fields[0].matches("\\d+") && fields[1].matches("\\d+")) {
                long first = Long.parseLong(fields[1]);
                if (block >= first && block <= Long.parseLong(fields[2])) {
                    return (Long.parseLong(fields[3]) + block - first) * 4096 + offset % 4096;
                }
            }
        }
        throw new IOException(file + ": no block for byte " + offset + " in: " + table);
    }

    /// Has the kernel forget what it holds of a file, so that the next read goes to the device.
    public static void evict(Path file) throws IOException {
        Command.run(List.of("sync", file.toString()), TIMEOUT);
        Command.run(List.of("dd", "if=" + file, "iflag=nocache", "count=0", "status=none"), TIMEOUT);
    }

    @Override
    public void close() throws IOException {
        Command.run(List.of("umount", at.toString()), TIMEOUT);
    }
}
