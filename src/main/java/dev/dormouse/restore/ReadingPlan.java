package dev.dormouse.restore;

import java.io.IOException;

/// In which order the groups of pages are read before anybody asks. Owned by the server's thread.
final class ReadingPlan {
    private final PageSource source;
    private final PlacementAccount account;
    private final PageSource.FrameList ahead;
    private int nextAhead;
    private int nextGroup;

    /// @param ahead the frames that go ahead, those of a group one behind the other
    ReadingPlan(PageSource source, PlacementAccount account, PageSource.FrameList ahead) {
        this.source = source;
        this.account = account;
        this.ahead = ahead;
    }

    /// {@return the next group of the frames that go ahead}
    int nextAhead() throws IOException {
        if (nextAhead >= ahead.size()) {
            return ReadAhead.Plan.END;
        }
        int group = source.group(ahead.get(nextAhead));
        while (nextAhead < ahead.size() && source.group(ahead.get(nextAhead)) == group) {
            nextAhead++;
        }
        return group;
    }

    /// {@return the next of all groups, but those of which everything is placed}
    int nextInBackground() {
        while (nextGroup < source.groupCount() && isClaimed(source.frames(nextGroup))) {
            nextGroup++;
        }
        return nextGroup < source.groupCount() ? nextGroup++ : ReadAhead.Plan.END;
    }

    private boolean isClaimed(PageSource.FrameList frames) {
        int i = 0;
        while (i < frames.size() && account.isClaimed(frames.get(i))) {
            i++;
        }
        return i == frames.size();
    }
}
