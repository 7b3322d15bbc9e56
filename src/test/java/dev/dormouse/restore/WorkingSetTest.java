package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// What is kept of the demands of a restore, what the next one does with it, and when it is dropped.
class WorkingSetTest {
    private static final int FRAMES = 8192;
    private static final long MILLI = 1_000_000;
    private static final MemorySource SOURCE = new MemorySource(FRAMES).withZeroes(4000, 4100);

    private static WorkingSet of(int... frames) {
        return new WorkingSet(FRAMES, new int[][] {frames, {}, {}, {}});
    }

    private static WorkingSetTrial trial(WorkingSet known) throws IOException {
        return new WorkingSetTrial(known, SOURCE, 0, new Random(5));
    }

    private static WorkingSet large() {
        return of(IntStream.range(0, 3000).toArray());
    }

    @Test
    void readsBackWhatItWrote() {
        var set = new WorkingSet(FRAMES, new int[][] {{5, 3}, {}, {8000}, {1}});

        WorkingSet read = WorkingSet.decode(set.encode()).orElseThrow();

        assertThat(read.encode()).isEqualTo(set.encode());
        assertThat(read.frame(0, 0)).isEqualTo(3);
        assertThat(read.size()).isEqualTo(4);
        assertThat(read.frameCount()).isEqualTo(FRAMES);
    }

    @Test
    void readsBackHowMuchTheGuestWanted() {
        var set = new WorkingSet(FRAMES, new int[][] {{5}, {}, {}, {}}, 0.625);

        WorkingSet read = WorkingSet.decode(set.encode()).orElseThrow();

        assertThat(read.wants(0.625)).isTrue();
        assertThat(read.wants(0.626)).isFalse();
        assertThat(of(5).wants(0)).as("of a set of which that is not known").isFalse();
        var impossible = new WorkingSet(FRAMES, new int[][] {{5}, {}, {}, {}}, 1.5);
        assertThat(WorkingSet.decode(impossible.encode())).isEmpty();
    }

    @Test
    void estimatesHowMuchTheGuestWantsOfAllByTheSample() throws IOException {
        for (double share : new double[] {0, 0.5, 1}) {
            var source = new MemorySource(1 << 20);
            var trial = new WorkingSetTrial(null, source, 0, new Random(5));

            trial.judge(frame -> frame < share * source.frameCount());

            assertThat(trial.wantedShare()).as("share %s", share).isBetween(share - 0.1, share + 0.1);
            assertThat(trial.next().wants(share + 0.11)).isFalse();
        }
    }

    @Test
    void addsToTheEstimateWhatWentAhead() throws IOException {
        var source = new MemorySource(1 << 16);
        var known = new WorkingSet(source.frameCount(), new int[][] {
            IntStream.range(0, 1 << 15).toArray(), {}, {}, {}
        });
        var trial = new WorkingSetTrial(known, source, 0, new Random(5));
        for (int frame = 0; frame < 1 << 15; frame++) {
            if (trial.isHeldBack(frame)) {
                trial.onDemand(frame, 0);
            }
        }

        trial.judge(_ -> false);

        assertThat(trial.wantedShare())
                .as("half went ahead and is wanted, the rest is not")
                .isBetween(0.45, 0.5);
    }

    @Test
    void doesNotEstimateFromTooSmallASample() throws IOException {
        WorkingSetTrial trial = trial(null);

        trial.judge(_ -> true);

        assertThat(trial.wantedShare()).isNull();
    }

    @Test
    void keepsWhatIsKnownWhenEverythingWentAhead() throws IOException {
        WorkingSetTrial trial = WorkingSetTrial.ofEverything(large(), SOURCE, new Random(5));

        trial.onDemand(8000, 0);

        assertThat(trial.ahead().size()).isZero();
        assertThat(trial.next().frames()).hasSize(3001).contains(8000);
    }

    @Test
    void takesDamagedBytesForNone() {
        byte[] bytes = of(1, 2, 3).encode();

        for (int length = 0; length < bytes.length; length++) {
            assertThat(WorkingSet.decode(java.util.Arrays.copyOf(bytes, length)))
                    .isEmpty();
        }
        for (int bit = 0; bit < 8 * bytes.length; bit++) {
            byte[] damaged = bytes.clone();
            damaged[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(WorkingSet.decode(damaged)).as("bit %d", bit).isEmpty();
        }
    }

    @Test
    void keepsTheFirstWhenThereIsNoRoomForAll() {
        int[] many = IntStream.range(0, WorkingSet.FRAMES_MAX).toArray();

        var set = new WorkingSet(1L << 20, new int[][] {{7}, many, {1 << 19}, {}});

        assertThat(set.size()).isEqualTo(WorkingSet.FRAMES_MAX);
        assertThat(set.size(2)).isZero();
    }

    @Test
    void isNotCompleteIfNotAllOfItHasRoom() {
        int[] most = IntStream.range(0, WorkingSet.FRAMES_MAX).toArray();
        int[] one = {WorkingSet.FRAMES_MAX};

        assertThat(complete(1 << 20, most, new int[0]).isComplete()).isTrue();
        assertThat(complete(1 << 20, most, one).isComplete()).isFalse();
    }

    @Test
    void sortsDemandsIntoCoarseTimes() throws IOException {
        WorkingSetTrial trial = trial(of());
        trial.onDemand(9, 0);
        trial.onDemand(8, 249 * MILLI);
        trial.onDemand(7, 250 * MILLI);
        trial.onDemand(6, 3999 * MILLI);
        trial.onDemand(5, 60_000 * MILLI);
        trial.onDemand(9, 60_000 * MILLI);

        WorkingSet next = trial.next();

        assertThat(IntStream.range(0, 4).map(next::size)).containsExactly(2, 1, 1, 1);
        assertThat(next.frame(0, 0)).isEqualTo(8);
    }

    @Test
    void leavesOutAFewToSeeWhetherTheyAreMissed() throws IOException {
        WorkingSetTrial trial = trial(large());

        int ahead = trial.ahead().size();

        assertThat(ahead).isBetween(2850, 2970);
        assertThat(IntStream.range(0, 3000).filter(trial::isHeldBack).count()).isEqualTo(3000 - ahead);
    }

    @Test
    void leavesOutPagesThatAreZeroNow() throws IOException {
        assertThat(trial(of(3999, 4000, 4099, 4100)).ahead().size()).isEqualTo(2);
    }

    /// They came along with the demands from which the set was made, so nobody could ask for them.
    @Test
    void takesTheNeighboursOfTheSetAlong() throws IOException {
        var set = new WorkingSet(FRAMES, new int[][] {{20}, {21, 3998}, {}, {}});

        PageSource.FrameList ahead = new WorkingSetTrial(set, SOURCE, 4, new Random(1)).ahead();

        assertThat(IntStream.range(0, ahead.size()).mapToObj(ahead::get))
                .containsExactly(18L, 19L, 20L, 21L, 22L, 3996L, 3997L, 3998L, 3999L);
    }

    @Test
    void estimatesHowManyOfTheSetAreWanted() throws IOException {
        WorkingSetTrial trial = trial(large());
        IntStream.range(0, 1500).filter(trial::isHeldBack).forEach(frame -> trial.onDemand(frame, 0));

        assertThat(trial.hitRate()).isBetween(0.3, 0.7);
        assertThat(trial.next().size()).isBetween(2930, 2990); // Without what was held back for nothing.
    }

    @Test
    void dropsASetThatNothingWants() throws IOException {
        WorkingSetTrial trial = trial(large());
        trial.onDemand(5000, 0);

        assertThat(trial.hitRate()).isZero();
        assertThat(trial.next().size()).isEqualTo(1);
    }

    @Test
    void keepsASetThatIsTooSmallToTell() throws IOException {
        WorkingSetTrial trial = trial(of(1, 2, 3, 4));

        assertThat(trial.hitRate()).isNull();
        assertThat(trial.next().size()).isEqualTo(4);
    }

    @Test
    void ignoresTheSetOfAnotherGuest() throws IOException {
        var other = new WorkingSet(FRAMES * 2L, new int[][] {{1, 2}, {}, {}, {}});

        assertThat(trial(other).ahead().size()).isZero();
    }

    @Test
    void aRehearsalTeachesACompleteSet() throws IOException {
        WorkingSetTrial trial = trial(of());
        trial.onDemand(9, 0);
        trial.onDemand(3, 300 * MILLI);

        WorkingSet set =
                WorkingSet.decode(trial.rehearsed(0.25, true, "web-1").encode()).orElseThrow();

        assertThat(set.isComplete()).isTrue();
        assertThat(set.isOfRehearsal("web-1")).isTrue();
        assertThat(set.isOfRehearsal("web-2")).isFalse();
        assertThat(set.forImage("web-1").isComplete()).isTrue();
        assertThat(set.forImage("web-2").isComplete()).isFalse();
        assertThat(trial.rehearsed(0.25, false, "web-1").isComplete()).isFalse();
        assertThat(set.frames()).containsExactly(3, 9);
        assertThat(set.wantedShare()).isEqualTo(0.25);
        assertThat(trial.next().isComplete()).as("of an ordinary restore").isFalse();
    }

    /// What came along with a demand stands in a complete set by itself, if the guest wanted it.
    @Test
    void aCompleteSetComesWithoutNeighbours() throws IOException {
        var set = complete(FRAMES, new int[] {20}, new int[] {3998});

        var trial = new WorkingSetTrial(set, SOURCE, 4, new Random(1));

        assertThat(trial.ahead().size()).isEqualTo(2);
        assertThat(trial.isComplete()).isTrue();
    }

    @Test
    void aSetIsNotCompleteAnyMoreWhenMuchElseIsAskedFor() throws IOException {
        var source = new MemorySource(20_000);
        var known = complete(source.frameCount(), new int[] {20, 21}, new int[0]);
        var trial = new WorkingSetTrial(known, source, 0, new Random(1));
        trial.onDemand(20, 0);

        IntStream.range(100, 4_100).forEach(frame -> trial.onDemand(frame, 0));
        assertThat(trial.isComplete()).isTrue();
        trial.onDemand(5_000, 0);

        assertThat(trial.isComplete()).isFalse();
        assertThat(trial.next().isComplete()).isFalse();
    }

    private static WorkingSet complete(long frameCount, int[] first, int[] second) {
        return WorkingSet.rehearsed(frameCount, new int[][] {first, second, {}, {}}, 0.1, true, "web-1");
    }
}
