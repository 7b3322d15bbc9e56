package dev.dormouse.testkit;

import dev.dormouse.base.Command;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// A file as a device of which every write and flush is recorded in its order, whoever makes it: by QEMU's
/// `blklogwrites`. The device can be made again as it was at each flush.
///
/// The log is that of dm-log-writes: sectors of 512 bytes, the first with the number of entries, then each entry in a
/// sector of its own, before the sectors that it wrote.
public final class RecordedDevice implements AutoCloseable {
    private static final int SECTOR_BYTES = 512;
    private static final long FLUSH = 1;
    private static final long DISCARD = 4;
    private static final long LOG_BYTES_MAX = 16L << 30; // Sparse.

    private final Path before;
    private final Path log;
    private final StorageDaemon daemon;

    private RecordedDevice(Path before, Path log, StorageDaemon daemon) {
        this.before = before;
        this.log = log;
        this.daemon = daemon;
    }

    /// Records what is written to the file from now on.
    public static RecordedDevice over(Path file) throws IOException, InterruptedException {
        Path before = file.resolveSibling(file.getFileName() + ".before");
        Path log = file.resolveSibling(file.getFileName() + ".log");
        copySparse(file, before);
        try (var empty = new RandomAccessFile(log.toFile(), "rw")) {
            empty.setLength(LOG_BYTES_MAX);
        }
        List<Map<String, Object>> nodes = List.of(
                Map.of("driver", "file", "node-name", "log", "filename", log.toString()),
                Map.of("driver", "blklogwrites", "node-name", "recorded", "file", StorageDaemon.FILE, "log", "log"));
        return new RecordedDevice(before, log, StorageDaemon.serve(file, nodes, "recorded"));
    }

    /// {@return how many writes and flushes have been recorded up to the last flush}
    public long position() throws IOException {
        try (FileChannel channel = FileChannel.open(log)) {
            return read(channel, 0).getLong(16);
        }
    }

    /// Ends the recording.
    @Override
    public void close() throws IOException {
        daemon.close();
    }

    /// A moment at which everything that was written before is on the device.
    ///
    /// @param position the writes and flushes until then
    public record Mark(long position, long logOffset) {}

    /// {@return all flushes after a position; to be called when the recording has ended}
    public List<Mark> marks(long after) throws IOException {
        var marks = new ArrayList<Mark>();
        try (FileChannel channel = FileChannel.open(log)) {
            long count = read(channel, 0).getLong(16);
            long offset = SECTOR_BYTES;
            for (long position = 1; position <= count; position++) {
                Entry entry = Entry.at(channel, offset);
                offset = entry.endOffset();
                if ((entry.flags & FLUSH) != 0 && position > after) {
                    marks.add(new Mark(position, offset));
                }
            }
        }
        return marks;
    }

    private static ByteBuffer read(FileChannel channel, long offset) throws IOException {
        ByteBuffer sector = ByteBuffer.allocate(SECTOR_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        if (channel.read(sector, offset) != SECTOR_BYTES) {
            throw new IOException("log: no entry at byte " + offset);
        }
        return sector;
    }

    private record Entry(long offset, long deviceOffset, long lengthBytes, long flags) {
        static Entry at(FileChannel log, long offset) throws IOException {
            ByteBuffer sector = read(log, offset);
            return new Entry(
                    offset, sector.getLong(0) * SECTOR_BYTES, sector.getLong(8) * SECTOR_BYTES, sector.getLong(16));
        }

        long endOffset() {
            return offset + SECTOR_BYTES + ((flags & DISCARD) == 0 ? lengthBytes : 0);
        }
    }

    /// Makes the device again as it was at one mark after the other; the marks must come in their order.
    public final class Replay implements AutoCloseable {
        private final Path state;
        private final FileChannel source;
        private final FileChannel target;
        private long logOffset = SECTOR_BYTES;

        private Replay() throws IOException {
            state = before.resolveSibling("replayed");
            copySparse(before, state);
            source = FileChannel.open(log);
            target = FileChannel.open(state, StandardOpenOption.WRITE);
        }

        /// Puts the device as it was at this mark into a file.
        public void copyTo(Path file, Mark mark) throws IOException {
            while (logOffset < mark.logOffset()) {
                Entry entry = Entry.at(source, logOffset);
                if ((entry.flags & DISCARD) == 0) {
                    target.position(entry.deviceOffset);
                    for (long done = 0; done < entry.lengthBytes; ) {
                        done += source.transferTo(logOffset + SECTOR_BYTES + done, entry.lengthBytes - done, target);
                    }
                }
                logOffset = entry.endOffset();
            }
            copySparse(state, file);
        }

        @Override
        public void close() throws IOException {
            source.close();
            target.close();
            Files.delete(state);
        }
    }

    public Replay replay() throws IOException {
        return new Replay();
    }

    private static void copySparse(Path from, Path to) throws IOException {
        Command.run(
                List.of("cp", "--sparse=always", "--reflink=auto", from.toString(), to.toString()),
                Duration.ofMinutes(1));
    }
}
