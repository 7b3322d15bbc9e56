package dev.dormouse.restore;

import java.io.IOException;
import java.nio.ByteBuffer;

/// Where a restored page goes: into the guest memory of the incoming QEMU. Called by the owner thread
/// only, at most once for a frame.
interface PagePlacer {
    /// Places one or more pages that follow one another.
    ///
    /// @param frame the first of them
    /// @param pages 4096 bytes for each between position and limit; read before the call returns
    void place(long frame, ByteBuffer pages) throws IOException;

    /// Places a page of zeros.
    void placeZero(long frame) throws IOException;

    /// Makes sure that what was placed is on its way and does not wait in a buffer of ours.
    void flush() throws IOException;
}
