package dev.dormouse.bench;

import dev.dormouse.base.Command;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.List;

/// Files in and out of this host's page cache, and how much of them is in it.
final class PageCache {
    private static final Duration TIMEOUT = Duration.ofMinutes(2);
    private static final int BUFFER_BYTES = 1 << 20;

    private PageCache() {}

    /// @param residentBytes of these files in the page cache
    /// @param fileBytes what the files take on the disk
    record Residency(long residentBytes, long fileBytes) {
        double share() {
            return fileBytes == 0 ? 0 : (double) residentBytes / fileBytes;
        }
    }

    /// Has the files written to the disk and dropped from the page cache.
    static void evict(List<Path> files) throws IOException {
        for (Path file : files) {
            try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
                channel.force(true); // What is not on the disk cannot be dropped.
            }
            Command.run(List.of("dd", "if=" + file, "iflag=nocache", "count=0", "status=none"), TIMEOUT);
        }
    }

    /// Reads the files into the page cache.
    static void load(List<Path> files) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
        for (Path file : files) {
            try (FileChannel channel = FileChannel.open(file)) {
                while (channel.read(buffer.clear()) >= 0) {
                    // Only to have read it.
                }
            }
        }
    }

    /// {@return what the file takes on the disk: less than its length where it is sparse}
    static long allocatedBytes(Path file) throws IOException {
        String output = Command.run(List.of("du", "--block-size=1", file.toString()), TIMEOUT);
        return Long.parseLong(output.split("\t", 2)[0]);
    }

    static Residency residency(List<Path> files) throws IOException {
        long resident = 0;
        long bytes = 0;
        for (Path file : files) {
            if (Files.size(file) > 0) {
                String output = Command.run(
                        List.of("fincore", "--bytes", "--noheadings", "--output", "RES", file.toString()), TIMEOUT);
                resident += Long.parseLong(output.strip());
                bytes += allocatedBytes(file);
            }
        }
        return new Residency(resident, bytes);
    }
}
