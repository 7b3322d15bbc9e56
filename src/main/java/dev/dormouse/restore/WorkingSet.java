package dev.dormouse.restore;

import dev.dormouse.storage.Xxh3;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The pages that a guest is expected to touch first after a restore: a set with coarse time groups, not an order,
/// for the set repeats and the order does not. Immutable.
///
/// As bytes, little-endian: magic `DORMWSET`, version (u32, 3), the number of groups (u32, 4), the number of frames
/// of the guest (u64), the wanted share in thousandths (u32, 0xffffffff if it is not known), whether it is complete
/// (u32, 0 or 1), XXH3-64 of the name of the image that was rehearsed (u64, 0 without a rehearsal), the sizes of the
/// groups (u32 each), the frames of each group, ascending (u32 each), and XXH3-64 of all that. Nothing depends on it:
/// what is damaged, or of another version, counts as absent.
public final class WorkingSet {
    /// The frames that are kept at most: 256 MiB.
    public static final int FRAMES_MAX = 64 << 10;

    static final int GROUP_COUNT = 4;
    private static final long[] GROUP_END_MILLIS = {250, 1000, 4000};
    private static final long MAGIC = 0x5445_5357_4d52_4f44L; // "DORMWSET"
    /// A guest that touches so much of what is not zero needs the rest, too.
    private static final double EVERYTHING_SHARE = 0.4;
    private static final int VERSION = 3;
    private static final int NOT_KNOWN = -1;
    private static final int PER_MILLE = 1000;
    private static final int HEADER_BYTES = 40 + GROUP_COUNT * Integer.BYTES;

    private final long frameCount;
    private final int[][] groups;
    private final int wantedPerMille;
    private final boolean complete;
    private final long rehearsed; // 0 if it was not.

    /// A set of which nothing is known but its frames.
    WorkingSet(long frameCount, int[][] groups) {
        this(frameCount, groups, null, false, 0);
    }

    /// @param frameCount of the guest, zero pages included
    /// @param groups frames by the time of their demand
    /// @param wantedShare estimated share of all that is not zero, from 0 to 1, which the guest touched before the
    ///     restore was complete; null if it is not known
    WorkingSet(long frameCount, int[][] groups, @Nullable Double wantedShare) {
        this(frameCount, groups, wantedShare, false, 0);
    }

    private WorkingSet(
            long frameCount, int[][] groups, @Nullable Double wantedShare, boolean complete, long rehearsed) {
        this.rehearsed = rehearsed;
        this.frameCount = frameCount;
        this.complete = complete
                && Arrays.stream(groups).mapToLong(frames -> frames.length).sum() <= FRAMES_MAX;
        wantedPerMille = wantedShare == null ? NOT_KNOWN : (int) Math.round(wantedShare * PER_MILLE);
        this.groups = new int[GROUP_COUNT][];
        int room = FRAMES_MAX;
        for (int group = 0; group < GROUP_COUNT; group++) {
            int size = Math.min(groups[group].length, room);
            room -= size;
            this.groups[group] = Arrays.copyOf(groups[group], size);
            Arrays.sort(this.groups[group]);
        }
    }

    /// {@return a set that is only believed to be hot, such as what a capture saw changing}
    ///
    /// @param frames the hottest first; those behind the first 65,536 are left out
    public static WorkingSet ofHottest(long frameCount, long[] frames) {
        int[] first = IntStream.range(0, Math.min(frames.length, FRAMES_MAX))
                .map(i -> Math.toIntExact(frames[i]))
                .toArray();
        return new WorkingSet(frameCount, new int[][] {first, {}, {}, {}});
    }

    /// {@return the group of a page that is demanded so long after the restore began}
    static int groupOf(long nanos) {
        int group = 0;
        while (group < GROUP_END_MILLIS.length && nanos >= GROUP_END_MILLIS[group] * 1_000_000) {
            group++;
        }
        return group;
    }

    public int size() {
        return Arrays.stream(groups).mapToInt(frames -> frames.length).sum();
    }

    long frameCount() {
        return frameCount;
    }

    /// {@return the estimated share of what is not zero that the guest touched; null if it is not known}
    @Nullable
    Double wantedShare() {
        return wantedPerMille == NOT_KNOWN ? null : wantedPerMille / (double) PER_MILLE;
    }

    /// {@return a set that a rehearsal has taught}
    ///
    /// @param wantedShare as above
    /// @param complete whether these are all frames that the guest touches in its first seconds, not only those
    ///     that it touched before a background brought them
    /// @param image by which name the image is known that was rehearsed
    static WorkingSet rehearsed(long frameCount, int[][] groups, double wantedShare, boolean complete, String image) {
        return new WorkingSet(frameCount, groups, wantedShare, complete, hash(image));
    }

    private static long hash(String image) {
        return Xxh3.hash64(ByteBuffer.wrap(image.getBytes(StandardCharsets.UTF_8)));
    }

    /// {@return whether a rehearsal of the image with that name has taught it}
    public boolean isOfRehearsal(String image) {
        return isRehearsed() && rehearsed == hash(image);
    }

    /// {@return the same for an image with that name: of another one it is neither rehearsed nor complete}
    public WorkingSet forImage(String image) {
        return !isRehearsed() || isOfRehearsal(image) ? this : new WorkingSet(frameCount, groups, wantedShare());
    }

    /// {@return whether a rehearsal has taught it; after [#forImage]: one of this image}
    boolean isRehearsed() {
        return rehearsed != 0;
    }

    /// {@return whether the guest hardly touches anything else in its first seconds}
    boolean isComplete() {
        return complete;
    }

    /// {@return whether the guest is known to touch that share of what is not zero, or more}
    boolean wants(double share) {
        return wantedPerMille != NOT_KNOWN && wantedPerMille >= share * PER_MILLE;
    }

    /// {@return whether the guest is known to be as fast as before only when nearly all of its memory is there}
    boolean wantsEverything() {
        return wants(EVERYTHING_SHARE);
    }

    int size(int group) {
        return groups[group].length;
    }

    /// {@return a frame of a group, which ascend}
    int frame(int group, int index) {
        return groups[group][index];
    }

    /// {@return all frames, ascending}
    public long[] frames() {
        return Arrays.stream(groups)
                .flatMapToInt(Arrays::stream)
                .asLongStream()
                .sorted()
                .distinct()
                .toArray();
    }

    public byte[] encode() {
        ByteBuffer out = ByteBuffer.allocate(HEADER_BYTES + size() * Integer.BYTES + Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN);
        out.putLong(MAGIC)
                .putInt(VERSION)
                .putInt(GROUP_COUNT)
                .putLong(frameCount)
                .putInt(wantedPerMille)
                .putInt(complete ? 1 : 0)
                .putLong(rehearsed);
        for (int[] frames : groups) {
            out.putInt(frames.length);
        }
        for (int[] frames : groups) {
            for (int frame : frames) {
                out.putInt(frame);
            }
        }
        out.putLong(Xxh3.hash64(out.duplicate().flip()));
        return out.array();
    }

    /// {@return the set in these bytes, empty if they are not one or are damaged}
    public static Optional<WorkingSet> decode(byte[] bytes) {
        if (bytes.length < HEADER_BYTES + Long.BYTES) {
            return Optional.empty();
        }
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        long stated = in.getLong(bytes.length - Long.BYTES);
        ByteBuffer content = in.slice(0, bytes.length - Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        if (Xxh3.hash64(content) != stated
                || content.getLong() != MAGIC
                || content.getInt() != VERSION
                || content.getInt() != GROUP_COUNT) {
            return Optional.empty();
        }
        try {
            return read(content);
        } catch (BufferUnderflowException _) {
            return Optional.empty();
        }
    }

    private static Optional<WorkingSet> read(ByteBuffer in) {
        long frameCount = in.getLong();
        int wanted = in.getInt();
        int complete = in.getInt();
        long rehearsed = in.getLong();
        if ((wanted != NOT_KNOWN && (wanted < 0 || wanted > PER_MILLE)) || (complete & ~1) != 0) {
            return Optional.empty();
        }
        int[] sizes = new int[GROUP_COUNT];
        for (int i = 0; i < GROUP_COUNT; i++) {
            sizes[i] = in.getInt();
            if (sizes[i] < 0 || sizes[i] > FRAMES_MAX) {
                return Optional.empty();
            }
        }
        int[][] groups = new int[GROUP_COUNT][];
        for (int i = 0; i < GROUP_COUNT; i++) {
            groups[i] = new int[sizes[i]];
            for (int j = 0; j < sizes[i]; j++) {
                groups[i][j] = in.getInt();
                if (groups[i][j] < 0 || groups[i][j] >= frameCount) {
                    return Optional.empty();
                }
            }
        }
        Double share = wanted == NOT_KNOWN ? null : wanted / (double) PER_MILLE;
        return in.hasRemaining()
                ? Optional.empty()
                : Optional.of(new WorkingSet(frameCount, groups, share, complete == 1, rehearsed));
    }
}
