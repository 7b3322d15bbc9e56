package dev.dormouse.image;

import dev.dormouse.image.ImageFormat.FrameGroupHead;
import dev.dormouse.image.ImageFormat.FrameGroupsHead;
import dev.dormouse.image.WorkingSet.Group;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/// What a working set and a heat order look like in the file: groups of ranges, each range as two
/// numbers in LEB128. A set has exactly one encoding, and every other one is refused.
final class FrameGroups {
    /// Enough for any number below 2^32.
    private static final int NUMBER_BYTES_MAX = 5;

    private static final int RANGE_BYTES_MIN = 2;

    private FrameGroups() {}

    /// {@return the section's bytes, or nothing if they would be more than a section may have}
    static Optional<ByteBuffer> encode(List<Group> groups) {
        long bytesMax = FrameGroupsHead.SIZE_BYTES;
        for (Group group : groups) {
            bytesMax += FrameGroupHead.SIZE_BYTES
                    + 2L * NUMBER_BYTES_MAX * group.frames().rangeCount();
        }
        if (bytesMax > 8L * ImageFormat.FRAME_GROUPS_BYTES_MAX) {
            return Optional.empty(); // At two bytes a range it would still be too long.
        }
        ByteBuffer bytes = ByteBuffer.allocateDirect((int) bytesMax).order(ImageFormat.ORDER);
        bytes.putShort((short) FrameGroupsHead.REVISION_KNOWN)
                .putShort((short) 0)
                .putInt(groups.size());
        for (Group group : groups) {
            encode(group, bytes);
        }
        bytes.flip();
        return bytes.remaining() > ImageFormat.FRAME_GROUPS_BYTES_MAX ? Optional.empty() : Optional.of(bytes);
    }

    private static void encode(Group group, ByteBuffer bytes) {
        FrameRanges frames = group.frames();
        bytes.putInt((int) group.startMillis()).putInt(frames.rangeCount());
        long end = 0;
        for (int i = 0; i < frames.rangeCount(); i++) {
            putNumber(bytes, frames.first(i) - end);
            putNumber(bytes, frames.last(i) - frames.first(i));
            end = frames.last(i) + 1;
        }
    }

    private static void putNumber(ByteBuffer bytes, long number) {
        long rest = number;
        while (rest > 0x7f) {
            bytes.put((byte) (rest | 0x80));
            rest >>>= 7;
        }
        bytes.put((byte) rest);
    }

    /// {@return a frame that stands in two groups, or -1}
    static long repeatedFrame(List<Group> groups) {
        int count =
                groups.stream().mapToInt(group -> group.frames().rangeCount()).sum();
        long[] ranges = new long[count];
        int next = 0;
        for (Group group : groups) {
            FrameRanges frames = group.frames();
            for (int i = 0; i < frames.rangeCount(); i++) {
                ranges[next++] = (frames.first(i) << 32) | frames.last(i);
            }
        }
        Arrays.sort(ranges);
        for (int i = 1; i < count; i++) {
            if (ranges[i] >>> 32 <= (ranges[i - 1] & 0xffff_ffffL)) {
                return ranges[i] >>> 32;
            }
        }
        return -1;
    }

    /// {@return the groups, ascending in time and free of repeated frames, or nothing if the section is of
    /// a later revision}
    static Optional<List<Group>> read(ImageFile in, SectionDirectory sections, SectionType type, long frameCount)
            throws IOException {
        Optional<Section> section = sections.find(type);
        if (section.isEmpty()) {
            return Optional.empty();
        }
        return new Decoder(in, section.get(), sections.read(type), frameCount).groups();
    }

    /// Reads one section. Each range takes two bytes or more, which bounds what is allocated.
    private static final class Decoder {
        private final ImageFile in;
        private final Section section;
        private final ByteBuffer bytes;
        private final long frameCount;

        Decoder(ImageFile in, Section section, ByteBuffer bytes, long frameCount) {
            this.in = in;
            this.section = section;
            this.bytes = bytes;
            this.frameCount = frameCount;
        }

        Optional<List<Group>> groups() throws IOException {
            require(FrameGroupsHead.SIZE_BYTES);
            int revision = Short.toUnsignedInt(bytes.getShort());
            if (revision > FrameGroupsHead.REVISION_KNOWN) {
                return Optional.empty();
            }
            check(revision == FrameGroupsHead.REVISION_KNOWN, "has revision %d, 1 is the first", revision);
            int reserved = Short.toUnsignedInt(bytes.getShort());
            check(reserved == 0, "has reserved bytes %#x, not zero", reserved);
            int count = bytes.getInt();
            int countMax = section.code() == SectionType.HEAT_ORDER.code() ? 1 : ImageFormat.FRAME_GROUPS_MAX;
            check(count >= 1 && count <= countMax, "has %d groups, 1 to %d are allowed", count, countMax);
            var groups = new ArrayList<Group>();
            for (int i = 0; i < count; i++) {
                Group group = group();
                boolean ascends = groups.isEmpty()
                        || group.startMillis() > groups.getLast().startMillis();
                check(ascends, "goes back to %d ms", group.startMillis());
                groups.add(group);
            }
            check(!bytes.hasRemaining(), "has bytes behind its last group");
            long repeated = repeatedFrame(groups);
            check(repeated < 0, "names frame %d twice", repeated);
            return Optional.of(groups);
        }

        private Group group() throws IOException {
            require(FrameGroupHead.SIZE_BYTES);
            long startMillis = Integer.toUnsignedLong(bytes.getInt());
            boolean heat = section.code() == SectionType.HEAT_ORDER.code();
            check(!heat || startMillis == 0, "has a time, %d ms, where none is", startMillis);
            int ranges = bytes.getInt();
            int rangesMax = bytes.remaining() / RANGE_BYTES_MIN;
            check(ranges >= 1 && ranges <= rangesMax, "has %d ranges in a group, 1 to %d fit", ranges, rangesMax);
            var frames = FrameRanges.builder();
            long end = 0;
            for (int i = 0; i < ranges; i++) {
                long gap = number();
                check(i == 0 || gap > 0, "has two ranges that touch, at frame %d", end);
                long first = end + gap;
                long last = first + number(); // Each is below 2^35: no overflow.
                check(last < frameCount, "names frame %d of %d", last, frameCount);
                frames.addRange(first, last);
                end = last + 1;
            }
            return new Group(startMillis, frames.build());
        }

        private long number() throws IOException {
            long number = 0;
            for (int i = 0; i < NUMBER_BYTES_MAX; i++) {
                require(1);
                int next = bytes.get();
                number |= (next & 0x7fL) << (7 * i);
                if (next >= 0) {
                    check(next != 0 || i == 0, "has a number that is longer than it need be");
                    return number;
                }
            }
            throw in.corrupt(section.offset() + bytes.position(), "section %s has an endless number", section.name());
        }

        private void require(int count) throws IOException {
            check(bytes.remaining() >= count, "ends in the middle");
        }

        private void check(boolean valid, String format, Object... arguments) throws IOException {
            if (!valid) {
                in.check(
                        false,
                        section.offset() + bytes.position(),
                        "section " + section.name() + " " + format,
                        arguments);
            }
        }
    }
}
