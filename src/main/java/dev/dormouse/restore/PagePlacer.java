package dev.dormouse.restore;

import java.io.IOException;
import java.nio.ByteBuffer;

/// Where a restored page goes: into the guest memory of the incoming QEMU. Called by the owner thread
/// only, at most once for a frame.
interface PagePlacer {
    /// Places one or more pages that follow one another.
    ///
    /// @param frame the first of them
    /// @param pages 4096 bytes for each between position and limit; read before the call returns, or, by a placer
    ///     that gathers them ([MemoryPlacer]), before [#settle] does
    /// @throws NotPlacedException if the host has no memory for them: those that it does not count may be
    ///     placed again
    void place(long frame, ByteBuffer pages) throws IOException;

    /// Places pages of zeros that follow one another.
    ///
    /// @throws NotPlacedException as [#place]
    void placeZeroes(long frame, int count) throws IOException;

    /// {@return how many pages of zeros around a demanded one are cheap enough to be placed with it, a power of
    /// two}
    default int zeroRunPagesMax(long frame) {
        return 16;
    }

    /// Lets go of the buffers of what was placed, because they are about to be used again.
    default void settle() throws IOException {}

    /// Makes sure that what was placed is on its way and does not wait in a buffer of ours.
    void flush() throws IOException;

    /// Told of a frame.
    interface FrameVisitor {
        void frame(long frame) throws IOException;
    }

    /// Looks into the guest's memory, as far as it can be seen from here, for pages that were placed and do
    /// not seem to be there.
    ///
    /// @param firstFrame where to begin
    /// @param frameCount how far to look
    default void audit(long firstFrame, int frameCount, FrameSet placed, FrameVisitor missing) throws IOException {}

    /// Places a page that [#audit] told of, unless it is there after all.
    ///
    /// @return whether it was missing
    default boolean placeAgain(long frame, ByteBuffer page) throws IOException {
        throw new IllegalStateException("nothing was said to be missing");
    }
}
