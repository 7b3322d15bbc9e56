package dev.dormouse.restore;

import dev.dormouse.disk.DiskView;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongUnaryOperator;

/// A raw file as a disk, which remembers what was read of it.
final class RawFileView implements DiskView {
    private final FileChannel channel;
    private final long blockCount;
    private final LongUnaryOperator order;
    final List<Read> reads = new ArrayList<>();
    boolean closed;

    record Read(long block, int count) {}

    RawFileView(Path file) throws IOException {
        this(file, block -> block);
    }

    /// @param order where each block is pretended to lie
    RawFileView(Path file, LongUnaryOperator order) throws IOException {
        channel = FileChannel.open(file, StandardOpenOption.READ);
        blockCount = channel.size() / BLOCK_BYTES;
        this.order = order;
    }

    @Override
    public long blockCount() {
        return blockCount;
    }

    @Override
    public void read(long block, ByteBuffer into) throws IOException {
        reads.add(new Read(block, into.remaining() / BLOCK_BYTES));
        while (into.hasRemaining()) {
            if (channel.read(into, block * BLOCK_BYTES + into.position()) < 0) {
                throw new EOFException("disk.raw: ends before block " + block);
            }
        }
    }

    @Override
    public long readingOrder(long block) {
        return order.applyAsLong(block);
    }

    @Override
    public void close() throws IOException {
        closed = true;
        channel.close();
    }
}
