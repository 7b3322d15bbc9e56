package dev.dormouse.testkit;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/// What QEMU wrote to a file, in its order, recorded by its driver `blklogwrites` beneath the format of the file: the
/// log of the kernel's dm-log-writes. After a prefix of it that ends with a flush a machine may have died.
public final class WriteLog {
    private static final long MAGIC = 0x6a736677736872L;
    private static final int SECTOR_BYTES = 512;
    private static final int FLUSH = 1;
    private static final int DISCARD = 4;
    private final FileChannel log;
    private final List<Entry> entries = new ArrayList<>();

    /// @param dataOffset in the log
    private record Entry(long offset, long lengthBytes, long flags, long dataOffset) {}

    private WriteLog(FileChannel log) {
        this.log = log;
    }

    /// Opens the log of a QEMU that has ended.
    public static WriteLog open(Path file) throws IOException {
        var result = new WriteLog(FileChannel.open(file, StandardOpenOption.READ));
        result.readEntries();
        return result;
    }

    /// {@return how far the log is while QEMU writes it}
    public static long position(Path file) throws IOException {
        return Files.size(file);
    }

    private ByteBuffer read(long position, int length) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(length).order(ByteOrder.LITTLE_ENDIAN);
        int done = 0;
        while (done < length) {
            int count = log.read(bytes, position + done);
            if (count < 0) {
                throw new IOException("the log ends at byte " + (position + done));
            }
            done += count;
        }
        return bytes.flip();
    }

    private void readEntries() throws IOException {
        ByteBuffer head = read(0, SECTOR_BYTES);
        if (head.getLong(0) != MAGIC || head.getInt(24) != SECTOR_BYTES) {
            throw new IOException("not a log of writes with sectors of 512 bytes");
        }
        long at = SECTOR_BYTES;
        while (at + SECTOR_BYTES <= log.size()) {
            ByteBuffer entry = read(at, SECTOR_BYTES);
            long lengthBytes = entry.getLong(8) * SECTOR_BYTES;
            long flags = entry.getLong(16);
            if (lengthBytes == 0 && flags == 0) {
                return; // Space that is not written yet.
            }
            entries.add(new Entry(entry.getLong(0) * SECTOR_BYTES, lengthBytes, flags, at + SECTOR_BYTES));
            at += SECTOR_BYTES + ((flags & DISCARD) == 0 ? lengthBytes : 0);
        }
    }

    /// {@return after how many entries each flush was}
    public List<Integer> flushes() {
        var flushes = new ArrayList<Integer>();
        for (int i = 0; i < entries.size(); i++) {
            if ((entries.get(i).flags() & FLUSH) != 0) {
                flushes.add(i + 1);
            }
        }
        return flushes;
    }

    /// {@return whether all that was in the log when it was this long is among the first entries}
    public boolean covers(int entryCount, long position) {
        return entryCount == entries.size() || entries.get(entryCount).dataOffset() > position;
    }

    public int size() {
        return entries.size();
    }

    /// Does the first writes again.
    public void replay(int entryCount, Path onto) throws IOException {
        try (var file = new RandomAccessFile(onto.toFile(), "rw")) {
            for (Entry entry : entries.subList(0, entryCount)) {
                if ((entry.flags() & DISCARD) != 0) {
                    long end = Math.min(file.length(), entry.offset() + entry.lengthBytes());
                    file.seek(entry.offset());
                    file.write(new byte[Math.toIntExact(Math.max(0, end - entry.offset()))]);
                } else if (entry.lengthBytes() > 0) {
                    file.seek(entry.offset());
                    file.write(read(entry.dataOffset(), Math.toIntExact(entry.lengthBytes()))
                            .array());
                }
            }
        }
    }
}
