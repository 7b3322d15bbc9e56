package dev.dormouse.image;

import java.io.IOException;
import java.nio.ByteBuffer;

/// How the pages are read that are on the machine's disks, as the disks were when they were frozen. One
/// thread at a time.
public interface OnDiskReader {
    /// Fills what remains in the buffer, a multiple of 4096 bytes, from a block on.
    ///
    /// @param disk as the image numbers it
    /// @throws IOException if the disk cannot be read; the buffer holds anything then
    void read(int disk, long block, ByteBuffer into) throws IOException;

    /// {@return a key by which blocks of a disk are sorted so that reading them in this order reads forward}
    ///
    /// @throws IOException if the disk is not there at all
    default long readingOrder(int disk, long block) throws IOException {
        return block;
    }
}
