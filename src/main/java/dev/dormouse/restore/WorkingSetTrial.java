package dev.dormouse.restore;

import java.io.IOException;
import java.util.Arrays;
import java.util.function.LongPredicate;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/// What one restore makes of a working set, and what it learns for the next one. The pages of the set go
/// ahead of the background, but for a random part, which is held back: whether a page that was placed is
/// ever used cannot be seen, whether one of those is demanded can, and estimates the use of all of them. In the
/// same way a random part of the groups of all the rest comes last, and estimates how much of it the guest wants.
/// Nothing is learnt of what goes before the guest runs ([EarlyPages]): some of that is spared for it.
///
/// Owned by the server's thread.
final class WorkingSetTrial {
    /// The part of a set that is held back.
    private static final double HELD_BACK = 0.03;
    /// The same of a spared region, which stands for many.
    private static final double HELD_BACK_OF_SPARED = 0.25;
    /// A set of more of what is not zero weighs too much to be believed without an estimate.
    private static final double BELIEVED_SHARE_MAX = 0.1;
    /// With fewer pages held back the estimate says nothing.
    private static final int HELD_BACK_MIN = 30;
    /// A set of which so few pages are still wanted costs more than it brings.
    private static final double HIT_RATE_MIN = 0.1;
    /// With fewer pages in the sample the estimate says nothing.
    private static final int SAMPLED_PAGES_MIN = 200;
    /// One group of so many comes last.
    private static final int SAMPLED_ONE_OF = 64;
    /// A set that was complete is not when the guest asks for so many other pages, or so many for each of its own.
    private static final int MISSED_PAGES_MAX = 4_000;
    private static final double MISSED_SHARE_MAX = 0.5;
    /// A multiplier that mixes the bits of a number (Fibonacci hashing).
    private static final int MIX = 0x9E37_79B9;

    private final PageSource source;
    private final @Nullable WorkingSet known;
    private final boolean ofEverything;
    private final RandomGenerator random;
    private final int seed;
    private final FrameSet heldBack;
    private final FrameSet demanded;
    private final FrameSet planned;
    private final FrameSet spared; // Those of the held back that stand for early ones.
    private final FrameSet early;
    private final FrameSet sentEarly;
    private final FrameSet left; // What does not go early when everything does.
    private final int[][] demands = new int[WorkingSet.GROUP_COUNT][16];
    private final int[] demandCounts = new int[WorkingSet.GROUP_COUNT];
    private long[] ahead = {}; // Of each the group and the frame.
    private int aheadCount;
    private int heldBackDemanded; // Without the spared.
    private int missed;
    private int sparedDemanded;
    private double earlyPerSpared;
    private long earlyOthers; // Early pages that are not of the set.
    private boolean judged;
    private boolean observed;
    private boolean disturbed;
    private long sampledPages;
    private long sampledWanted;

    /// @param known the set, null if there is none; one of another guest is ignored
    /// @param neighbourPages pages around a demanded one that are placed with it
    WorkingSetTrial(@Nullable WorkingSet known, PageSource source, int neighbourPages, RandomGenerator random)
            throws IOException {
        this(known, source, random, false);
        if (this.known != null) {
            // Of what use a complete set is was seen in the rehearsal, which had what was demanded of the neighbours.
            boolean complete = this.known.isComplete();
            if (!complete) {
                holdBack(this.known);
            }
            plan(this.known, complete ? 0 : neighbourPages);
        }
    }

    /// What is left of it when everything goes ahead but the sample.
    static WorkingSetTrial ofEverything(WorkingSet known, PageSource source, RandomGenerator random) {
        return new WorkingSetTrial(known, source, random, true);
    }

    private WorkingSetTrial(
            @Nullable WorkingSet known, PageSource source, RandomGenerator random, boolean ofEverything) {
        this.source = source;
        this.ofEverything = ofEverything;
        this.random = random;
        seed = random.nextInt();
        this.known = known != null && known.frameCount() == source.frameCount() ? known : null;
        heldBack = new FrameSet(source.frameCount());
        demanded = new FrameSet(source.frameCount());
        planned = new FrameSet(source.frameCount());
        spared = new FrameSet(source.frameCount());
        early = new FrameSet(source.frameCount());
        left = new FrameSet(source.frameCount());
        sentEarly = new FrameSet(source.frameCount());
    }

    private void holdBack(WorkingSet set) throws IOException {
        for (int group = 0; group < WorkingSet.GROUP_COUNT; group++) {
            for (int i = 0; i < set.size(group); i++) {
                long frame = set.frame(group, i);
                if (!source.isZero(frame) && random.nextDouble() < HELD_BACK) {
                    heldBack.add(frame);
                }
            }
        }
    }

    /// Each time group in the order in which its pages are read best, those behind them that the server placed along
    /// with a demanded one: nobody demanded them only because they were there. A page that is zero now is left out.
    private void plan(WorkingSet set, int neighbourPages) throws IOException {
        for (int group = 0; group < WorkingSet.GROUP_COUNT; group++) {
            int start = aheadCount;
            for (int i = 0; i < set.size(group); i++) {
                long frame = set.frame(group, i);
                if (!source.isZero(frame)) {
                    add(frame);
                    addNeighbours(frame, neighbourPages);
                }
            }
            Arrays.sort(ahead, start, aheadCount);
        }
    }

    private void addNeighbours(long frame, int countMax) throws IOException {
        if (countMax == 0 || aheadCount >= WorkingSet.FRAMES_MAX) {
            return;
        }
        PageSource.FrameList frames = source.neighbours(frame, countMax);
        for (int i = 0; i < frames.size(); i++) {
            add(frames.get(i));
        }
    }

    private void add(long frame) throws IOException {
        if (heldBack.contains(frame) || !planned.add(frame)) {
            return;
        }
        if (aheadCount == ahead.length) {
            ahead = Arrays.copyOf(ahead, Math.max(1024, 2 * aheadCount));
        }
        ahead[aheadCount++] = (long) source.group(frame) << Integer.SIZE | frame;
    }

    /// {@return the frames to be placed ahead of the background}
    PageSource.FrameList ahead() {
        return PageSource.FrameList.of(aheadCount, index -> ahead[index] & 0xffff_ffffL);
    }

    /// {@return whether the guest hardly wants anything but what is known}
    boolean isOfCompleteSet() {
        return known != null && known.isComplete();
    }

    /// {@return whether a rehearsal has just told all that could be learnt}
    boolean isOfRehearsedSet() {
        return known != null && known.isRehearsed();
    }

    /// {@return whether the page is to be placed only by the background, or when it is demanded}
    boolean isHeldBack(long frame) {
        return heldBack.contains(frame);
    }

    /// Holds back a part of the set's frames from one to before another, which could go before the guest runs.
    ///
    /// @param regions for how many such stretches of memory, itself included, this one stands
    void spare(long firstFrame, long endFrame, double regions) {
        earlyPerSpared = regions;
        for (long frame = firstFrame; frame < endFrame; frame++) {
            if (planned.contains(frame) && random.nextDouble() < HELD_BACK_OF_SPARED) {
                planned.remove(frame);
                heldBack.add(frame);
                spared.add(frame);
            }
        }
    }

    /// Pages from one frame to before another are about to go before the guest runs.
    void goesEarly(long firstFrame, long endFrame) {
        for (long frame = firstFrame; frame < endFrame; frame++) {
            early.add(frame);
        }
    }

    /// {@return whether the frame lies among those that went before the guest ran, so that zeros may be there already}
    boolean isEarly(long frame) {
        return early.contains(frame);
    }

    /// The page of the frame was sent before the guest ran: of what use it is cannot be told from it any more.
    ///
    /// @param ofSet whether it lies in a region of the set; of the others the guest wants
    ///     as much as of what did not go
    void sentEarly(long frame, boolean ofSet) {
        sentEarly.add(frame);
        heldBack.remove(frame);
        earlyOthers += ofSet && !planned.contains(frame) ? 1 : 0;
    }

    /// All is there but what tells of what use it is: nothing else may bring that before the guest has had time to.
    void observe() {
        observed = true;
    }

    /// {@return whether what is left is to wait for the guest for a while}
    boolean isObserved() {
        return (ofEverything && !isOfRehearsedSet()) || observed;
    }

    /// The page of the frame does not go early though nearly everything does.
    void leave(long frame) {
        left.add(frame);
    }

    /// {@return whether the background leaves the group to the last}
    boolean isSampled(int group) {
        return !ofEverything && Integer.remainderUnsigned(((group ^ seed) * MIX) >>> 8, SAMPLED_ONE_OF) == 0;
    }

    /// Takes down how much of the sample the guest has come for, with the neighbours that it got, before anything
    /// else brought it. Counts only the first time.
    ///
    /// @param claimed whether the page of a frame was placed
    void judge(LongPredicate claimed) {
        if (judged) {
            return;
        }
        judged = true;
        for (long frame = 0; ofEverything && frame < source.frameCount(); frame++) {
            if (left.contains(frame)) {
                judge(frame, claimed);
            }
        }
        for (int group = 0; group < source.groupCount(); group++) {
            PageSource.FrameList frames = source.frames(group);
            for (int i = 0; isSampled(group) && i < frames.size(); i++) {
                long frame = frames.get(i);
                if (!planned.contains(frame) && !heldBack.contains(frame) && !sentEarly.contains(frame)) {
                    judge(frame, claimed);
                }
            }
        }
    }

    private void judge(long frame, LongPredicate claimed) {
        sampledPages++;
        sampledWanted += claimed.test(frame) ? 1 : 0;
    }

    /// Somebody has everything brought at once: what the guest would have come for is not known then.
    void disturb() {
        disturbed = !judged;
    }

    /// {@return the estimated share of all that is not zero, from 0 to 1, which the guest wanted before it was there;
    /// null if too little came last to tell}
    @Nullable
    Double wantedShare() {
        Double hitRate = hitRate();
        boolean believed = hitRate != null || planned.size() <= BELIEVED_SHARE_MAX * source.nonZeroCount();
        if (sampledPages < SAMPLED_PAGES_MIN || disturbed || !believed) {
            return null;
        }
        double ofSet = planned.size() * (hitRate == null ? 1 : hitRate);
        double ofAll = source.nonZeroCount() - (ofEverything ? 0 : earlyOthers);
        return (ofSet + (ofAll - planned.size()) * sampledWanted / sampledPages) / ofAll;
    }

    private @Nullable Double nextWantedShare() {
        Double share = wantedShare();
        Double before = known == null ? null : known.wantedShare();
        // What a guest touches in the second in which it lacks hardly anything is not what it touched in many.
        boolean confirms = ofEverything && share != null && before != null && share >= before / 2;
        // Nor what it has touched until a gentle background comes to its end.
        boolean late = known != null && known.isComplete();
        return share == null || confirms || late ? before : share;
    }

    /// Takes down that a page that is not zero was demanded.
    void onDemand(long frame, long nanosSinceStart) {
        if (!demanded.add(frame)) {
            return;
        }
        if (spared.contains(frame)) {
            sparedDemanded++;
        } else if (heldBack.contains(frame)) {
            heldBackDemanded++;
        }
        missed += heldBack.contains(frame) || planned.contains(frame) ? 0 : 1;
        int group = WorkingSet.groupOf(nanosSinceStart);
        if (demandCounts[group] < WorkingSet.FRAMES_MAX) {
            if (demandCounts[group] == demands[group].length) {
                demands[group] = Arrays.copyOf(demands[group], 2 * demandCounts[group]);
            }
            demands[group][demandCounts[group]++] = (int) frame;
        }
    }

    /// {@return the estimated share of the set's pages that the guest would have waited for, null if too few
    /// were held back to tell}
    @Nullable
    Double hitRate() {
        if (heldBack.size() < HELD_BACK_MIN) {
            return null;
        }
        double perSpared = earlyPerSpared / HELD_BACK_OF_SPARED; // Each of them stands for so many pages.
        double perOther = 1 / HELD_BACK;
        double all = spared.size() * perSpared + (heldBack.size() - spared.size()) * perOther;
        return (sparedDemanded * perSpared + heldBackDemanded * perOther) / all;
    }

    /// {@return the set for the next restore: what was demanded this time, and what was known unless it is of
    /// no more use; what was held back for nothing is left out, so that a set shrinks if nothing wants it}
    WorkingSet next() {
        int[][] groups = new int[WorkingSet.GROUP_COUNT][];
        for (int group = 0; group < WorkingSet.GROUP_COUNT; group++) {
            groups[group] = Arrays.copyOf(demands[group], demandCounts[group]);
        }
        Double hitRate = hitRate();
        if (known != null && (hitRate == null || hitRate >= HIT_RATE_MIN)) {
            for (int group = 0; group < WorkingSet.GROUP_COUNT; group++) {
                groups[group] = joined(groups[group], known, group);
            }
        }
        return new WorkingSet(source.frameCount(), groups, nextWantedShare());
    }

    /// {@return all that was demanded, of a restore in which nothing came by itself}
    ///
    /// @param wantedShare the share of what is not zero that the guest wants, from 0 to 1
    /// @param complete whether the guest hardly wanted anything else
    /// @param image the name of the image
    WorkingSet rehearsed(double wantedShare, boolean complete, String image) {
        int[][] groups = new int[WorkingSet.GROUP_COUNT][];
        for (int group = 0; group < WorkingSet.GROUP_COUNT; group++) {
            groups[group] = Arrays.copyOf(demands[group], demandCounts[group]);
        }
        return WorkingSet.rehearsed(source.frameCount(), groups, wantedShare, complete, image);
    }

    /// {@return whether all that the guest touches in its first seconds goes ahead, so that the rest has time}; no
    /// more so when it has asked for much else.
    boolean isComplete() {
        return known != null
                && known.isComplete()
                && !ofEverything
                && missed <= Math.max(MISSED_PAGES_MAX, planned.size() * MISSED_SHARE_MAX);
    }

    private int[] joined(int[] frames, WorkingSet set, int group) {
        int[] all = Arrays.copyOf(frames, frames.length + set.size(group));
        int count = frames.length;
        for (int i = 0; i < set.size(group); i++) {
            int frame = set.frame(group, i);
            if (!demanded.contains(frame) && !heldBack.contains(frame)) {
                all[count++] = frame;
            }
        }
        return Arrays.copyOf(all, count);
    }
}
