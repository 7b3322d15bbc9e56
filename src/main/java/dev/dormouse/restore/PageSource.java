package dev.dormouse.restore;

import java.io.IOException;
import java.nio.ByteBuffer;

/// Where restored pages come from. Pages that are read together form a group (an extent of the image).
/// Called by the owner thread only.
interface PageSource {
    /// {@return the number of frames, the zero pages included}
    long frameCount();

    /// {@return the number of frames that are not zero, each of which must be placed before the end}
    long nonZeroCount();

    boolean isZero(long frame) throws IOException;

    /// {@return the group that holds the page of a non-zero frame}
    int group(long frame) throws IOException;

    int groupCount();

    /// {@return the frames whose pages the group holds, ascending; the array is not to be changed}
    FrameList frames(int group);

    /// Reads the pages of a non-zero frame and of those behind it, and verifies them.
    ///
    /// @param countMax how many frames are wanted, 1 or more
    /// @return 4096 bytes for each of 1 to `countMax` frames: as many as lie one behind the other here too;
    ///     valid until the next call
    /// @throws IOException if a page cannot be read or is not the one that was saved
    ByteBuffer read(long frame, int countMax) throws IOException;

    /// The frames of one group.
    interface FrameList {
        int size();

        long get(int index);
    }
}
