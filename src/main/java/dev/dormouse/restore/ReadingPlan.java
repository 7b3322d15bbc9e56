package dev.dormouse.restore;

import java.io.IOException;

/// In which order the groups of pages are read before anybody asks. Owned by the server's thread.
final class ReadingPlan {
    private final PageSource source;
    private final PlacementAccount account;
    private final WorkingSetTrial trial;
    private final PageSource.FrameList ahead;
    private int nextAhead;
    private int nextGroup;
    private boolean atSample;

    /// @param trial what goes ahead, and what comes last
    ReadingPlan(PageSource source, PlacementAccount account, WorkingSetTrial trial) {
        this.source = source;
        this.account = account;
        this.trial = trial;
        this.ahead = trial.ahead();
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

    /// {@return the next of all groups, but those of which everything is placed; the sample of the trial last}
    int nextInBackground() {
        int group = nextOfTheRest();
        if (group == ReadAhead.Plan.END && !atSample) {
            trial.judge(account::isClaimed); // Before the sample comes by itself.
            atSample = true;
            nextGroup = 0;
            group = nextOfTheRest();
        }
        return group;
    }

    private int nextOfTheRest() {
        while (nextGroup < source.groupCount()
                && (trial.isSampled(nextGroup) != atSample || isClaimed(source.frames(nextGroup)))) {
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
