package dev.dormouse.restore;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.function.IntToLongFunction;

/// Where restored pages come from. Pages that are read together form a group: an extent of the image, or
/// a run of blocks of a disk. Called by the owner thread only, but for the reading of a [GroupBuffer].
interface PageSource {
    /// What a page is read for, which decides how much is read with it.
    enum Reading {
        /// The guest waits: little, so that the answer is quick.
        DEMAND,
        /// Nobody waits, and what stands behind the page is wanted next: as much as the group allows.
        BACKGROUND
    }

    /// {@return the number of frames, the zero pages included}
    long frameCount();

    /// {@return the number of frames that are not zero, each of which must be placed before the end}
    long nonZeroCount();

    /// Any thread.
    boolean isZero(long frame) throws IOException;

    /// {@return whether the page stands on one of the VM's disks, not in the image} Any thread.
    default boolean isOnDisk(long frame) throws IOException {
        return false;
    }

    /// {@return the group that holds the page of a non-zero frame}
    int group(long frame) throws IOException;

    int groupCount();

    /// {@return the frames whose pages the group holds, in the order in which they are read best}
    FrameList frames(int group);

    /// {@return frames whose pages are at hand after the page of the frame was read on demand, itself among
    /// them}
    ///
    /// @param countMax 1 or more
    FrameList neighbours(long frame, int countMax) throws IOException;

    /// Reads the pages of a non-zero frame and of those behind it, and verifies them.
    ///
    /// @param countMax how many frames are wanted, 1 or more
    /// @return 4096 bytes for each of 1 to `countMax` frames: as many as lie one behind the other here too;
    ///     valid until the next call
    /// @throws IOException if a page cannot be read or is not the one that was saved
    ByteBuffer read(long frame, int countMax, Reading reading) throws IOException;

    /// Says that groups are going to be read, so that storage may begin with it. Any thread.
    ///
    /// @return the bytes that are read, if it is known
    default long willNeed(int first, int count) throws IOException {
        return 0;
    }

    /// {@return room for the pages of a group, which another thread may read meanwhile} Any thread.
    GroupBuffer newGroupBuffer();

    /// The pages of one group, read as a whole. One thread at a time.
    interface GroupBuffer extends AutoCloseable {
        /// Reads all pages of a group, and gets ready to verify them.
        void read(int group) throws IOException;

        /// {@return the pages of a frame of the group and of those behind it, as [PageSource#read] does, but
        /// valid until another group is read}
        ///
        /// @throws IOException if the page of the frame is not the one that was saved
        ByteBuffer pages(long frame, int countMax) throws IOException;

        @Override
        void close();
    }

    /// The frames of one group, or some of them.
    interface FrameList {
        int size();

        long get(int index);

        /// @param frames the frame at each index
        static FrameList of(int size, IntToLongFunction frames) {
            return new FrameList() {
                @Override
                public int size() {
                    return size;
                }

                @Override
                public long get(int index) {
                    return frames.applyAsLong(index);
                }
            };
        }

        /// {@return the frames from one index to before another}
        default FrameList slice(int first, int end) {
            return of(end - first, index -> get(first + index));
        }
    }
}
