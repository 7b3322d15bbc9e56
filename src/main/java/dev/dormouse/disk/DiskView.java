package dev.dormouse.disk;

import java.io.IOException;
import java.nio.ByteBuffer;

/// What the guest saw of one disk when it was frozen: all layers together, addressed in blocks of 4096
/// bytes counted in what the guest sees, which no merge of layers changes. Any thread.
public interface DiskView extends AutoCloseable {
    int BLOCK_BYTES = 4096;

    /// {@return the whole blocks of the disk; bytes after the last whole one are not part of the view}
    long blockCount();

    /// Fills what remains in the buffer, a multiple of 4096 bytes, from a block on. Holes read as zeros.
    ///
    /// @throws DiskException if that is not within [#blockCount]
    /// @throws IOException if the disk cannot be read; the buffer holds anything then
    void read(long block, ByteBuffer into) throws IOException;

    /// Says that blocks, which the disk has, are going to be read: a hint, for which nobody waits.
    default void willNeed(long block, int count) {}

    /// {@return a key to read many blocks in the order in which they lie on the host: ascending keys are
    /// ascending positions of one file; what has no position of its own keeps the order of the blocks}
    long readingOrder(long block);

    @Override
    void close() throws IOException;
}
