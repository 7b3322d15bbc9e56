package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.dormouse.restore.DemandQueue.Demand;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The page-fault server on pages in memory and a clock that goes on by 50 ms whenever it is read.
@Timeout(20)
class PageFaultServerTest {
    private static final int FRAMES = 4 * MemorySource.GROUP_FRAMES;
    private static final RestoreOptions OPTIONS = new RestoreOptions(
            new BackgroundOptions(2, 8, 0, 1, 0, 0, true),
            RestoreOptions.Early.NONE,
            8,
            RestoreOptions.Placement.STREAM,
            true);

    private final MemorySource source = new MemorySource(FRAMES).withZeroes(64, 96);
    private final RecordingPlacer placer = new RecordingPlacer(FRAMES);
    private final DemandQueue demands = new DemandQueue();
    private final List<String> told = new ArrayList<>();
    private long now;
    private Runnable onStalled = () -> {};
    private WorkingSetTrial trial;
    private RestoreOptions options = OPTIONS;
    private boolean hurry;
    private boolean givesUp;
    private long ran;

    private final RestoreListener listener = new RestoreListener() {
        @Override
        public void stalled(String reason) {
            told.add("stalled: " + reason);
            onStalled.run();
        }

        @Override
        public void unstalled() {
            told.add("unstalled");
        }

        @Override
        public boolean hurry() {
            return hurry;
        }

        @Override
        public boolean givesUp() {
            return givesUp;
        }

        @Override
        public long ranNanos() {
            return ran;
        }
    };

    private PageFaultServer server() {
        try {
            var nothing = new FrameSet(source.frameCount());
            var inline = new HostBudget(Runnable::run, Runnable::run, Runnable::run);
            var surroundings = new Surroundings(() -> now += 50_000_000, inline, new GuestLoad(0));
            return new PageFaultServer(source, placer, demands, listener, options, trial(), nothing, surroundings);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private WorkingSetTrial trial() throws IOException {
        return trial == null ? new WorkingSetTrial(null, source, 0, new Random(0)) : trial;
    }

    private void demand(long frame) {
        try {
            demands.put(new Demand(frame, 0));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static Long[] nonZeroFrames() {
        return LongStream.range(0, FRAMES)
                .filter(frame -> frame < 64 || frame >= 96)
                .boxed()
                .toArray(Long[]::new);
    }

    @Test
    void placesEveryNonZeroPageOnceAndNoZeroPage() throws Exception {
        PageFaultServer server = server();

        server.run();

        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
        assertThat(placer.isAllFlushed()).isTrue();
        assertThat(server.progress()).isEqualTo(new RestoreListener.Progress(96, 96, 0, 0, 96));
    }

    @Test
    void placesADemandedPageAndItsNeighboursBeforeTheBackground() throws Exception {
        demand(110);

        server().run();

        assertThat(placer.order).startsWith(110L, 106L, 107L, 108L, 109L, 111L, 112L, 113L, 0L);
        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
    }

    @Test
    void takesADemandThatComesDuringTheBackgroundNext() throws Exception {
        placer.then(frame -> {
            if (frame == 1) {
                demand(120);
            }
        });

        server().run();

        assertThat(placer.order).startsWith(0L, 1L, 120L);
    }

    @Test
    void placesTheZeroRunAroundADemandedZeroPage() throws Exception {
        demand(70);
        PageFaultServer server = server();

        server.run();

        assertThat(placer.order).startsWith(70L, 64L, 65L).contains(79L).doesNotContain(80L);
        assertThat(server.progress()).isEqualTo(new RestoreListener.Progress(96, 96, 0, 1, 96));
    }

    @Test
    void answersAPageOnceHoweverOftenItIsDemanded() throws Exception {
        for (int i = 0; i < 500; i++) {
            demand(5 + i % 2); // 6 is a neighbour of 5.
            demand(70);
        }

        server().run();

        assertThat(placer.order).doesNotHaveDuplicates();
    }

    @Test
    void stallsOnADamagedPageAndPlacesItWhenItIsMended() throws Exception {
        source.damage(100);
        demand(100);
        placer.then(_ -> {
            if (placer.order.size() == 68) { // All but what shares the group with it and lies behind it.
                source.mend();
            }
        });

        server().run();

        assertThat(told).startsWith("stalled: frame 100 is damaged").endsWith("unstalled");
        assertThat(told).filteredOn("unstalled"::equals).hasSize(1);
        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
    }

    @Test
    void servesOtherDemandsWhileAPageOfTheirGroupIsDamaged() throws Exception {
        source.damage(100);
        demand(100);
        demand(101);
        placer.then(frame -> {
            if (frame == 101) {
                source.mend();
            }
        });

        server().run();

        assertThat(placer.order).startsWith(101L);
        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
    }

    /// Whoever does not want to wait for a page that cannot be had is told why it cannot.
    @Test
    void endsAStallThatNobodyWantsToWaitFor() {
        givesUp = true; // Which says nothing as long as all can be read.
        source.damage(100);
        PageFaultServer server = server();

        assertThatThrownBy(server::run).isInstanceOf(LeftStalledException.class).hasMessage("frame 100 is damaged");

        assertThat(told).containsExactly("stalled: frame 100 is damaged");
        assertThat(placer.order).isNotEmpty().doesNotContain(100L);
    }

    /// A file server that is gone must not cost a read of each page, and a report of each, in one turn.
    @Test
    void looksForDemandsAfterEachReadThatFailed() throws Exception {
        LongStream.range(0, 96).forEach(source::damage);
        var reads = new ArrayList<Long>();
        placer.then(frame -> {
            if (frame == 96) {
                reads.add(source.reads);
                source.mend();
            }
        });

        server().run();

        assertThat(reads).containsExactly(3L); // One in each of the two groups, then frame 96.
        assertThat(told).containsExactly("stalled: frame 0 is damaged", "unstalled");
        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
    }

    @Test
    void placesAgainWhatIsNotThereAtTheEnd() throws Exception {
        placer.lost.put(10L, true);
        placer.lost.put(100L, false); // It is there after all.
        placer.lost.put(70L, true); // Zero, and never placed.
        PageFaultServer server = server();

        server.run();

        assertThat(placer.placedAgain).containsExactly(10L, 100L);
        assertThat(server.outcome().placedAgain()).isEqualTo(1);
        assertThat(server.progress().placedPages()).isEqualTo(96);
        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
    }

    @Test
    void stallsOnAMissingPageThatCannotBeReadAgain() throws Exception {
        placer.lost.put(10L, true);
        placer.thenAtTheAudit(() -> source.damage(10));
        onStalled = source::mend;
        PageFaultServer server = server();

        server.run();

        assertThat(told).containsExactly("stalled: frame 10 is damaged", "unstalled");
        assertThat(placer.placedAgain).containsExactly(10L);
    }

    @Test
    void servesDemandsBetweenTheStepsOfTheAudit() throws Exception {
        placer.thenAtTheAudit(() -> demand(70));

        server().run();

        assertThat(placer.order)
                .endsWith(70L, 64L, 65L, 66L, 67L, 68L, 69L, 71L, 72L, 73L, 74L, 75L, 76L, 77L, 78L, 79L);
    }

    /// Of several pages in one call those count that were placed.
    @Test
    void waitsUntilTheHostHasMemory() throws Exception {
        placer.noMemory.put(1L, 3);
        placer.noMemory.put(110L, 1);
        demand(110);
        PageFaultServer server = server();

        server.run();

        assertThat(told).startsWith("stalled: no memory for frame 110").contains("unstalled");
        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
        assertThat(server.progress().placedPages()).isEqualTo(96);
    }

    @Test
    void placesTheWorkingSetBehindTheDemandsAndAheadOfTheBackground() throws Exception {
        var set = new WorkingSet(FRAMES, new int[][] {{127, 70}, {}, {40, 41}, {9}});
        trial = new WorkingSetTrial(set, source, 0, new Random(0));
        demand(99);
        PageFaultServer server = server();

        server.run();

        assertThat(placer.order.subList(8, 14)).containsExactly(127L, 40L, 41L, 9L, 0L, 1L);
        assertThat(server.outcome().placedAhead()).isEqualTo(4);
        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
        assertThat(trial.next().size()).isEqualTo(6);
    }

    @Test
    void placesNothingUnaskedWithoutABackgroundUntilSomebodyWaits() throws Exception {
        options = OPTIONS.withBackground(OPTIONS.background().off());
        demand(5);
        placer.then(_ -> hurry = placer.order.size() == 8);

        server().run();

        assertThat(placer.order.subList(0, 9)).containsExactly(5L, 1L, 2L, 3L, 4L, 6L, 7L, 8L, 0L);
        assertThat(placer.order).containsExactlyInAnyOrder(nonZeroFrames());
    }

    @Test
    void placesMoreZeroesForAGuestThatGoesOnWithThem() throws Exception {
        placer.zeroRunPagesMax = 512;
        demand(64);
        demand(80);

        server().run();

        assertThat(placer.order.subList(0, 32))
                .containsExactlyElementsOf(LongStream.range(64, 96).boxed().toList());
    }

    @Test
    void measuresHowLongADemandWaited() throws Exception {
        demand(5);
        demand(70);
        PageFaultServer server = server();

        server.run();

        assertThat(server.outcome().latency().count()).isEqualTo(2);
        assertThat(server.outcome().latency().maxNanos()).isPositive();
    }

    @Test
    void letsNobodyWaitWithADemandAfterItsEnd() {
        for (int i = 0; i < 4096; i++) {
            demand(i);
        }

        demands.discard();

        demand(1);
        assertThat(demands.poll()).isNull();
    }

    @Test
    void saysHowFarItGotWhenQemuHangsUp() {
        placer.then(frame -> {
            if (frame == 1) {
                demands.close(null);
            }
        });

        assertThatThrownBy(() -> server().run())
                .isInstanceOf(RestoreException.class)
                .hasMessage("return path: closed by QEMU after 2 of 96 pages, see the log of QEMU");
    }

    @Test
    void aGuestThatDemandsNothingIsResponsiveAsSoonAsItRuns() throws Exception {
        ran = 60_000_000;
        PageFaultServer server = server();

        server.run();

        assertThat(server.outcome().responsiveNanos()).isEqualTo(60_000_000);
    }

    @Test
    void aGuestIsNotResponsiveBeforeAPageThatItDemandsCanBeRead() throws Exception {
        ran = 60_000_000;
        source.damage(100);
        demand(100);
        var mended = new long[1];
        onStalled = () -> {
            if (told.size() == 3) { // It is tried again once a second.
                mended[0] = now;
                source.mend();
            }
        };
        PageFaultServer server = server();

        server.run();

        assertThat(mended[0]).isPositive();
        assertThat(server.outcome().responsiveNanos()).isBetween(mended[0] - 100_000_000, now);
    }

    @Test
    void ofAGuestWhoseQemuHangsUpItIsNotKnown() throws Exception {
        ran = 60_000_000;
        placer.then(frame -> {
            if (frame == 1) {
                demands.close(null);
            }
        });
        PageFaultServer server = server();

        assertThatThrownBy(server::run).isInstanceOf(RestoreException.class);
        assertThat(server.outcome().responsiveNanos()).isNull();
    }
}
