package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.Command;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.function.LongPredicate;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// What goes before the guest runs, and that QEMU forgets what did not.
class EarlyPagesTest {
    private static final int REGION = 512;
    private static final int LARGE = 256 * REGION;
    private static final int SMALL = 200;
    private static final int FRAMES = LARGE + SMALL;
    private static final int ZEROES_FROM = 5000;
    private static final int ZEROES_END = 20_000;
    private static final int DENSE_FROM = 100 * REGION;
    private static final int DENSE_END = 140 * REGION;

    private final MemorySource source = new MemorySource(FRAMES).withZeroes(ZEROES_FROM, ZEROES_END);
    private final RamLayout layout = new RamLayout(List.of(
            new RamBlock("pc.ram", (long) LARGE * RamBlock.TARGET_PAGE_BYTES),
            new RamBlock("pc.bios", (long) SMALL * RamBlock.TARGET_PAGE_BYTES)));
    private final FrameSet sent = new FrameSet(FRAMES);
    private final RecordingPlacer placer = new RecordingPlacer(FRAMES);

    @BeforeEach
    void sendBios() {
        for (long frame = LARGE; frame < FRAMES; frame++) {
            sent.add(frame);
        }
    }

    @Test
    void everythingIsEachRegionButASample() throws IOException {
        WorkingSetTrial trial = everything();

        send(EarlyPages.everything(layout, source, trial, sent, new Random(3), () -> 0, Long.MAX_VALUE));

        int whole = wholeRegions();
        assertThat(whole).as("of 226 that are not zero").isBetween(210, 225);
        trial.judge(_ -> true);
        assertThat(trial.wantedShare()).as("if the sample is wanted").isEqualTo(1);
    }

    @Test
    void afterARehearsalEverythingIsEachRegionAndNobodyWaitsForASample() throws IOException {
        WorkingSet set = WorkingSet.rehearsed(FRAMES, new int[][] {{1}, {}, {}, {}}, 0.9, false, "image");
        var trial = WorkingSetTrial.ofEverything(set, source, new Random(3));

        send(EarlyPages.everything(layout, source, trial, sent, new Random(3), () -> 0, Long.MAX_VALUE));

        assertThat(wholeRegions()).as("all that are not zero").isGreaterThanOrEqualTo(226);
        assertThat(trial.isObserved()).isFalse();
        assertThat(trial.next().wantedShare()).as("it keeps its kind").isEqualTo(0.9);
    }

    @Test
    void denseRegionsOfTheSetAreSentWholeAndNothingElse() throws IOException {
        WorkingSetTrial trial = denseTrial();

        send(EarlyPages.likely(layout, source, trial, sent, new Random(4), () -> 0, false));

        assertThat(wholeRegions())
                .as("but for one that tells of what use the set is")
                .isEqualTo(39);
        for (long frame = 0; frame < LARGE; frame++) {
            boolean isDense = frame >= DENSE_FROM && frame < DENSE_END;
            assertThat(placer.contains(frame) && !isDense).isFalse();
            assertThat(placer.contains(frame) && trial.isHeldBack(frame)).isFalse();
            assertThat(trial.isEarly(frame)).isEqualTo(placer.contains(frame));
        }
        for (long frame = LARGE; frame < FRAMES; frame++) {
            assertThat(placer.contains(frame))
                    .as("a second time, frame %d", frame)
                    .isFalse();
        }
        assertThat(trial.hitRate()).as("is estimated all the same").isNotNull();
    }

    @Test
    void whatNoTimeIsLeftForGoesBehindRun() throws IOException {
        long[] now = {0};

        send(EarlyPages.likely(layout, source, denseTrial(), sent, new Random(4), () -> now[0] += 5_000_000, false));

        assertThat(sent.size() - SMALL).isBetween(1L, 30L * MemorySource.GROUP_FRAMES);
    }

    @Test
    void whatCannotBeReadGoesBehindRun() throws IOException {
        long frame = DENSE_FROM + 1L;
        long other = DENSE_FROM + REGION + 1L; // One of the two is not in a spared region.
        source.damage(frame);
        source.damage(other);

        send(EarlyPages.likely(layout, source, denseTrial(), sent, new Random(4), () -> 0, false));

        assertThat(sent.contains(frame) || sent.contains(other)).isFalse();
        assertThat(sent.contains(frame + 1) || sent.contains(other + 1)).isTrue();
    }

    @Test
    void ofAGuestWithLittleMemoryAllGoesButWholeRegionsAndWhatIsHeldBack() throws IOException {
        WorkingSetTrial trial = denseTrial();

        send(EarlyPages.likely(layout, source, trial, sent, new Random(4), () -> 0, true));

        int without = 0;
        for (long start = 0; start < LARGE; start += REGION) {
            long pages = countInRegion(start, placer::contains);
            long left = countInRegion(
                    start, frame -> !placer.contains(frame) && !source.isZero(frame) && !trial.isHeldBack(frame));
            assertThat(pages > 0 && left > 0)
                    .as("region of frame %d has holes", start)
                    .isFalse();
            without += pages == 0 ? 1 : 0;
        }
        assertThat(without).as("29 are zero").isBetween(29, 29 + 12);
        assertThat(trial.isObserved()).as("what is left waits for the guest").isTrue();
    }

    @Test
    void ofWhatGoesEarlyUnknownTheGuestIsNotTakenToWantMuch() throws IOException {
        WorkingSetTrial trial = denseTrial();
        send(EarlyPages.likely(layout, source, trial, sent, new Random(4), () -> 0, true));

        trial.judge(_ -> false);

        assertThat(trial.wantedShare())
                .satisfiesAnyOf(
                        share -> assertThat(share).isNull(),
                        share -> assertThat(share).isLessThan(0.4));
    }

    @Test
    void theFullestRegionsGoFirst() throws IOException {
        long[] now = {0};

        send(EarlyPages.likely(layout, source, denseTrial(), sent, new Random(4), () -> now[0] += 500_000, true));

        long dense = 0;
        for (long frame = DENSE_FROM; frame < DENSE_END; frame++) {
            dense += placer.contains(frame) ? 1 : 0;
        }
        assertThat(sent.size() - SMALL).as("placed in time").isPositive().isEqualTo(dense);
    }

    @Test
    void whatNobodyKnowsOfGoesEarlyOnlyFromQuickStorage() throws IOException {
        long[] now = {0};
        long quick = LARGE - (long) (ZEROES_END - ZEROES_FROM);
        var unknown = new WorkingSetTrial(null, source, 0, new Random(3));

        send(EarlyPages.likely(layout, source, unknown, sent, new Random(4), () -> now[0] += 3_000_000, true));

        assertThat(sent.size() - SMALL)
                .as("of %d, in a sixth of the time", quick)
                .isBetween(1L, 25L * MemorySource.GROUP_FRAMES);
        assertThat(unknown.isObserved()).isFalse();
    }

    @Test
    void takesAPageBackIfNothingIsLeft() throws IOException {
        var one = new RamLayout(List.of(new RamBlock("pc.ram", (long) REGION * RamBlock.TARGET_PAGE_BYTES)));
        var small = new MemorySource(REGION);
        var known = new WorkingSet(REGION, new int[][] {{1}, {}, {}, {}});
        var none = new FrameSet(REGION);
        EarlyPages all = EarlyPages.everything(
                one,
                small,
                WorkingSetTrial.ofEverything(known, small, new Random(3)),
                none,
                new Random(3),
                () -> 0,
                Long.MAX_VALUE);
        all.send(new RecordingPlacer(REGION), new RestoreListener() {});
        assertThat(none.size()).isEqualTo(REGION);

        List<Command.PostcopyDiscard> discards = all.discards();

        assertThat(discards).hasSize(1);
        assertThat(discards.getFirst().ranges()).containsExactly(new Command.Range(0, RamBlock.TARGET_PAGE_BYTES));
        assertThat(none.size()).isEqualTo(REGION - 1);
    }

    @Test
    void theScatteredRestOfACompleteSetGoesAloneAndNothingStaysAroundIt() throws IOException {
        int[] scattered = IntStream.range(0, 400)
                .map(i -> i < 200 ? 21_000 + i * 37 : DENSE_END + i * 91)
                .toArray();
        int[] dense = IntStream.range(DENSE_FROM, DENSE_FROM + REGION).toArray();
        var trial = new WorkingSetTrial(
                WorkingSet.rehearsed(FRAMES, new int[][] {scattered, dense, {}, {}}, 0.1, true, "image"),
                source,
                8,
                new Random(3));
        EarlyPages early = EarlyPages.likely(layout, source, trial, sent, new Random(4), () -> 0, false);
        send(early);
        assertThat(wholeRegions()).as("nothing is spared").isEqualTo(1);

        early.sendScattered(placer, new RestoreListener() {});

        assertThat(placer.isAllFlushed()).isTrue();
        assertThat(sent.size() - SMALL).isEqualTo(REGION + scattered.length);
        Set<Long> discarded = discarded(early.discards());
        for (long frame = 0; frame < LARGE; frame++) {
            boolean isDense = frame >= DENSE_FROM && frame < DENSE_FROM + REGION;
            assertThat(placer.contains(frame)).as("frame %d", frame).isEqualTo(sent.contains(frame));
            assertThat(discarded.contains(frame))
                    .as("frame %d, zero or not", frame)
                    .isEqualTo(!sent.contains(frame) && !isDense);
            assertThat(trial.isEarly(frame))
                    .as("zeros may be placed around frame %d", frame)
                    .isEqualTo(isDense);
        }
        assertThat(trial.hitRate()).as("nothing is held back").isNull();
    }

    @Test
    void whatIsScatteredGoesEarlyForSomeTimeOnly() throws IOException {
        long[] now = {0};
        int[] scattered = IntStream.range(0, 6_000).map(i -> 21_000 + i * 17).toArray();
        var trial = new WorkingSetTrial(
                WorkingSet.rehearsed(FRAMES, new int[][] {scattered, {}, {}, {}}, 0.1, true, "image"),
                source,
                0,
                new Random(3));
        EarlyPages early =
                EarlyPages.likely(layout, source, trial, sent, new Random(4), () -> now[0] += 5_000_000, false);

        early.sendScattered(placer, new RestoreListener() {});

        assertThat(sent.size() - SMALL).isBetween(1L, scattered.length / 2L);
        Set<Long> discarded = discarded(early.discards());
        for (long frame = 0; frame < LARGE; frame++) {
            assertThat(discarded.contains(frame)).as("frame %d", frame).isEqualTo(!sent.contains(frame));
        }
    }

    @Test
    void whereEverythingGoesNothingIsLeftOfACompleteSet() throws IOException {
        WorkingSetTrial trial = everythingOfCompleteSet();

        send(EarlyPages.everything(layout, source, trial, sent, new Random(3), () -> 0, Long.MAX_VALUE));

        assertThat(wholeRegions()).as("all that are not zero").isGreaterThanOrEqualTo(226);
        assertThat(trial.isObserved()).as("the server waits for nothing").isFalse();
        trial.judge(_ -> true);
        assertThat(trial.next().wantedShare()).as("it keeps its kind").isEqualTo(0.1);
    }

    @Test
    void whatIsNotThereInTimeWhereEverythingGoesLeavesTheRestOfTheSetToTheServer() throws IOException {
        long[] now = {0};
        WorkingSetTrial trial = everythingOfCompleteSet();

        EarlyPages early = EarlyPages.everything(
                layout, source, trial, sent, new Random(3), () -> now[0] += 1_000_000, 100_000_000);
        send(early);

        assertThat(sent.size() - SMALL).isBetween(1L, (long) LARGE / 2);
        assertThat(early.hasScattered()).isTrue();
        PageSource.FrameList ahead = trial.ahead();
        assertThat(IntStream.range(0, ahead.size()).mapToObj(ahead::get))
                .containsAll(LongStream.range(DENSE_FROM, DENSE_END)
                        .filter(frame -> !sent.contains(frame))
                        .boxed()
                        .toList());
    }

    private WorkingSetTrial everythingOfCompleteSet() throws IOException {
        int[] dense = IntStream.range(DENSE_FROM, DENSE_END).toArray();
        WorkingSet set = WorkingSet.rehearsed(FRAMES, new int[][] {dense, {}, {}, {}}, 0.1, true, "image");
        return new WorkingSetTrial(set, source, 0, new Random(3));
    }

    private WorkingSetTrial everything() {
        return WorkingSetTrial.ofEverything(set(1), source, new Random(3));
    }

    /// Of three of four frames of some regions, a few of each other one, and all of the small block.
    private WorkingSetTrial denseTrial() throws IOException {
        int[] frames = IntStream.range(0, FRAMES)
                .filter(frame -> frame >= LARGE
                        || ((frame >= DENSE_FROM && frame < DENSE_END) ? frame % 4 != 0 : frame % 10 == 0))
                .toArray();
        return new WorkingSetTrial(set(frames), source, 0, new Random(3));
    }

    private static long countInRegion(long start, LongPredicate wanted) {
        return LongStream.range(start, start + REGION).filter(wanted).count();
    }

    /// {@return how many regions were sent whole; a part of one never is}
    private int wholeRegions() {
        int whole = 0;
        for (int start = 0; start < LARGE; start += REGION) {
            long pages = countInRegion(start, placer::contains);
            long nonZero = countInRegion(start, frame -> !source.isZero(frame));
            assertThat(pages).as("region %d", start / REGION).isIn(0L, nonZero);
            whole += pages > 0 ? 1 : 0;
        }
        return whole;
    }

    /// Sends, and looks whether what is not zero is either sent or discarded.
    private void send(EarlyPages early) throws IOException {
        early.send(placer, new RestoreListener() {});
        assertThat(placer.isAllFlushed()).isTrue();
        Set<Long> discarded = discarded(early.discards());
        for (long frame = 0; frame < LARGE; frame++) {
            assertThat(sent.contains(frame)).isEqualTo(placer.contains(frame));
            if (!source.isZero(frame)) {
                assertThat(discarded.contains(frame)).as("frame %d", frame).isEqualTo(!sent.contains(frame));
            }
        }
    }

    private static Set<Long> discarded(List<Command.PostcopyDiscard> discards) {
        Set<Long> discarded = new HashSet<>();
        for (Command.PostcopyDiscard discard : discards) {
            assertThat(discard.block())
                    .as("what was sent of the small block stays")
                    .isEqualTo("pc.ram");
            for (Command.Range range : discard.ranges()) {
                for (long at = 0; at < range.lengthBytes(); at += RamBlock.TARGET_PAGE_BYTES) {
                    assertThat(discarded.add((range.offset() + at) / RamBlock.TARGET_PAGE_BYTES))
                            .isTrue();
                }
            }
        }
        return discarded;
    }

    private static WorkingSet set(int... frames) {
        return new WorkingSet(FRAMES, new int[][] {frames, {}, {}, {}});
    }
}
