package dev.dormouse.image;

import java.util.List;

/// The frames that a guest used after an earlier restore, coarsely in the order in which it did. A hint
/// for the next restore: it says what is likely to be asked for, never what a page holds.
///
/// @param groups 1 to 4096, by ascending time; no frame stands in two of them
public record WorkingSet(List<Group> groups) {
    /// The frames first used in one span of time.
    ///
    /// @param startMillis where the span begins, counted from the moment when the guest ran; up to 2^32 - 1
    /// @param frames at least one
    public record Group(long startMillis, FrameRanges frames) {
        public Group {
            if (startMillis < 0 || startMillis > 0xffff_ffffL) {
                throw new IllegalArgumentException(
                        "a group begins after " + startMillis + " ms, 0 to 4294967295 is allowed");
            }
            if (frames.isEmpty()) {
                throw new IllegalArgumentException("a group without frames");
            }
        }
    }

    public WorkingSet {
        groups = List.copyOf(groups);
        if (groups.isEmpty() || groups.size() > ImageFormat.FRAME_GROUPS_MAX) {
            throw new IllegalArgumentException(
                    groups.size() + " groups of frames, 1 to " + ImageFormat.FRAME_GROUPS_MAX + " are allowed");
        }
        for (int i = 1; i < groups.size(); i++) {
            if (groups.get(i).startMillis() <= groups.get(i - 1).startMillis()) {
                throw new IllegalArgumentException("groups of frames do not ascend in time");
            }
        }
        long repeated = FrameGroups.repeatedFrame(groups);
        if (repeated >= 0) {
            throw new IllegalArgumentException("frame " + repeated + " stands in two groups");
        }
    }

    public long frameCount() {
        return groups.stream().mapToLong(group -> group.frames().frameCount()).sum();
    }
}
