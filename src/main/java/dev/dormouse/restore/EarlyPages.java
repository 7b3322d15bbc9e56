package dev.dormouse.restore;

import dev.dormouse.base.RamBlock;
import dev.dormouse.base.RamLayout;
import dev.dormouse.wire.Command;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;

/// The pages that go before the guest runs. They come into huge pages, as in a restore by QEMU itself; what is placed
/// behind RUN comes in small ones, each of which costs the guest a fault, and all together a part of its speed until
/// huge ones are made of them. So this is for what the guest is likely to touch:
///
/// - the *dense* parts of its working set: aligned 2 MiB most of which stands in the set;
/// - of a guest with little memory also all other regions of the set, the fullest ones first, and then whatever comes,
///   as long as it comes quickly;
/// - of a guest whose set is complete the *scattered* rest of it, in small pages: the guest waits for next to nothing
///   then, and nobody takes the processors from it;
/// - of a guest that is known to touch most of its memory *everything* but a sample of such regions, which tells
///   whether it still is of that kind unless a rehearsal just did;
/// - of a guest with a complete set everything, if that can be there hardly later than the set.
///
/// A page that cannot be read is left to whoever serves pages behind RUN, and so is what no time is left for.
///
/// Needs anonymous memory: the kernel takes a small page out of a huge one for certain only there. One owner.
final class EarlyPages {
    private static final int REGION_FRAMES = (2 << 20) / RamBlock.TARGET_PAGE_BYTES;
    /// So many frames of the set make a region worth while, if they are also this share of what is not zero in it.
    private static final int DENSE_FRAMES_MIN = 128;
    private static final double DENSE_SHARE_MIN = 0.5;
    /// One region of so many, but one of four at least, is treated as the rest of the set, by which its use is
    /// estimated; of fewer regions one now and then.
    private static final int SPARED_ONE_OF = 32;
    private static final int SPARED_ALWAYS_FROM = 4;
    private static final int SPARED_AT_TIMES = 8;
    /// One region of so many is left when everything else goes.
    private static final int LEFT_ONE_OF = 64;
    /// Whoever comes back waits for this.
    private static final long DENSE_NANOS_MAX = 150_000_000;
    /// The same for a guest with little memory, a good part of which goes into it.
    private static final long LITTLE_NANOS_MAX = 250_000_000;
    /// For the dense parts of a complete set, of which slow storage gives 16 MB in 150 ms: what comes later comes in
    /// small pages, with which the guest is slower.
    private static final long COMPLETE_NANOS_MAX = 400_000_000;
    /// And for the scattered pages.
    private static final long SCATTERED_NANOS_MAX = 200_000_000;
    /// The regions of a guest with little memory go in passes, of those with at least so many frames of the set.
    private static final int[] PASSES = {DENSE_FRAMES_MIN, 32, 8};
    /// What nobody is known to want goes early only where the storage gives pages faster than that: it would go behind
    /// RUN at the same rate, beside the guest.
    private static final int REST_PAGES_PER_MILLI_MIN = 75;
    private static final long REST_TRIED_NANOS = 50_000_000;
    /// Of a region that holds less a huge page would be mostly zeros.
    private static final int REST_FRAMES_MIN = REGION_FRAMES / 4;

    private final RamLayout layout;
    private final PageSource source;
    private final FrameSet sent;
    private final WorkingSetTrial trial;
    private final FrameSet wanted;
    private final FrameSet rest; // What nobody is known to want.
    private final RandomGenerator random;
    private final List<BitSet> passes = new ArrayList<>(); // The groups of the wanted frames.
    private final List<BitSet> regions = new ArrayList<>(); // By block, those of which something is sent.
    private final List<BitSet> scattered = new ArrayList<>(); // By block, other regions of which some pages are sent.
    private final BitSet doneBlocks = new BitSet();
    private final LongSupplier clock;
    private final long nanosMax;
    private final boolean withRest;
    private final boolean hints;

    private EarlyPages(
            RamLayout layout,
            PageSource source,
            WorkingSetTrial trial,
            FrameSet sent,
            RandomGenerator random,
            LongSupplier clock,
            long nanosMax,
            boolean withRest,
            boolean hints) {
        this.layout = layout;
        this.source = source;
        this.trial = trial;
        this.sent = sent;
        this.clock = clock;
        this.nanosMax = nanosMax;
        this.random = random;
        this.withRest = withRest;
        this.hints = hints;
        wanted = new FrameSet(source.frameCount());
        rest = new FrameSet(source.frameCount());
        for (int block = 0; block < layout.blocks().size(); block++) {
            regions.add(new BitSet());
            scattered.add(new BitSet());
            doneBlocks.set(block, sent.contains(layout.firstFrame(block)));
        }
    }

    /// @param trial told of all that goes early, and of what is left
    /// @param sent frames that QEMU has already, all of a block or none; what is sent is added
    /// @param clock in nanoseconds, from any start
    /// @param nanosMax for how long at most; what is left then, or cannot be read, goes as without this
    static EarlyPages everything(
            RamLayout layout,
            PageSource source,
            WorkingSetTrial trial,
            FrameSet sent,
            RandomGenerator random,
            LongSupplier clock,
            long nanosMax)
            throws IOException {
        var pages = new EarlyPages(layout, source, trial, sent, random, clock, nanosMax, false, true);
        pages.passes.add(new BitSet());
        for (int block = 0; block < layout.blocks().size(); block++) {
            for (int region = 0; region < pages.openRegions(block); region++) {
                if (!trial.isOfRehearsedSet() && random.nextInt(LEFT_ONE_OF) == 0) {
                    pages.leave(block, region);
                } else {
                    pages.want(block, region);
                }
            }
        }
        return pages;
    }

    /// @param trial told of all that goes early, and of what is spared
    /// @param sent as for [#everything]
    /// @param clock in nanoseconds, from any start
    /// @param little whether the guest has little memory, so that more than the dense parts of the set may go
    static EarlyPages likely(
            RamLayout layout,
            PageSource source,
            WorkingSetTrial trial,
            FrameSet sent,
            RandomGenerator random,
            LongSupplier clock,
            boolean little)
            throws IOException {
        long nanosMax = little ? LITTLE_NANOS_MAX : trial.isOfCompleteSet() ? COMPLETE_NANOS_MAX : DENSE_NANOS_MAX;
        var pages = new EarlyPages(layout, source, trial, sent, random, clock, nanosMax, little, false);
        List<int[]> inSet = pages.countByRegion(trial.ahead());
        List<BitSet> chosen = pages.chosenRegions(inSet, little);
        if (!trial.isOfCompleteSet()) {
            pages.spare(chosen);
        }
        for (int pass = 0; pass < (little ? PASSES.length : 1); pass++) {
            pages.passes.add(new BitSet());
            for (int block = 0; block < chosen.size(); block++) {
                for (int region : chosen.get(block).stream().toArray()) {
                    if (inSet.get(block)[region] >= PASSES[pass]) {
                        chosen.get(block).clear(region);
                        pages.want(block, region);
                    }
                }
            }
        }
        return pages;
    }

    private List<BitSet> chosenRegions(List<int[]> inSet, boolean little) throws IOException {
        var chosen = new ArrayList<BitSet>();
        for (int block = 0; block < inSet.size(); block++) {
            chosen.add(new BitSet());
            for (int region = 0; region < openRegions(block); region++) {
                int count = inSet.get(block)[region];
                boolean isChosen = little
                        ? count >= PASSES[PASSES.length - 1] && nonZero(block, region) >= REST_FRAMES_MIN
                        : isDense(block, region, count);
                chosen.get(block).set(region, isChosen);
            }
        }
        return chosen;
    }

    private void spare(List<BitSet> chosen) {
        int all = chosen.stream().mapToInt(BitSet::cardinality).sum();
        int often = random.nextInt(SPARED_AT_TIMES) == 0 ? 1 : 0;
        int count = all < SPARED_ALWAYS_FROM ? Math.min(all, often) : Math.max(1, all / SPARED_ONE_OF);
        for (int i = 0; i < count; i++) {
            int index = random.nextInt(all - i);
            int block = 0;
            while (index >= chosen.get(block).cardinality()) {
                index -= chosen.get(block).cardinality();
                block++;
            }
            int region = chosen.get(block).stream().skip(index).findFirst().orElseThrow();
            chosen.get(block).clear(region);
            trial.spare(firstFrame(block, region), endFrame(block, region), all / (double) count);
        }
    }

    /// {@return how many regions of the block QEMU has nothing of}
    private int openRegions(int block) {
        return doneBlocks.get(block) ? 0 : regionCount(layout.blocks().get(block));
    }

    private static int regionCount(RamBlock block) {
        return Math.toIntExact(Math.ceilDiv(block.frameCount(), REGION_FRAMES));
    }

    private long firstFrame(int block, int region) {
        return layout.firstFrame(block) + (long) region * REGION_FRAMES;
    }

    private long endFrame(int block, int region) {
        return Math.min(layout.endFrame(block), firstFrame(block, region) + REGION_FRAMES);
    }

    /// {@return by block and region how many of the frames stand there}
    private List<int[]> countByRegion(PageSource.FrameList frames) {
        List<int[]> counts = layout.blocks().stream()
                .map(block -> new int[regionCount(block)])
                .toList();
        for (int i = 0; i < frames.size(); i++) {
            long frame = frames.get(i);
            int block = layout.blockIndex(frame);
            counts.get(block)[(int) ((frame - layout.firstFrame(block)) / REGION_FRAMES)]++;
        }
        return counts;
    }

    private boolean isDense(int block, int region, int inSet) throws IOException {
        if (inSet < DENSE_FRAMES_MIN) {
            return false;
        }
        return inSet >= DENSE_SHARE_MIN * nonZero(block, region);
    }

    private int nonZero(int block, int region) throws IOException {
        int nonZero = 0;
        for (long frame = firstFrame(block, region); frame < endFrame(block, region); frame++) {
            nonZero += source.isZero(frame) ? 0 : 1;
        }
        return nonZero;
    }

    private void want(int block, int region) throws IOException {
        for (long frame = firstFrame(block, region); frame < endFrame(block, region); frame++) {
            if (!source.isZero(frame)) {
                wanted.add(frame);
                passes.getLast().set(source.group(frame));
            }
        }
    }

    /// Of the region something goes early.
    private void open(int block, int region) {
        if (!regions.get(block).get(region)) {
            regions.get(block).set(region);
            trial.goesEarly(firstFrame(block, region), endFrame(block, region));
        }
    }

    private void leave(int block, int region) throws IOException {
        for (long frame = firstFrame(block, region); frame < endFrame(block, region); frame++) {
            if (!source.isZero(frame)) {
                trial.leave(frame);
            }
        }
    }

    boolean isEmpty() {
        return wanted.size() == 0 && !withRest;
    }

    /// {@return whether the set is complete and something of it is left for [#sendScattered]; after [#send]}
    boolean hasScattered() {
        PageSource.FrameList ahead = trial.ahead();
        return trial.isOfCompleteSet() && IntStream.range(0, ahead.size()).anyMatch(i -> !sent.contains(ahead.get(i)));
    }

    /// Places them, for as long as is given.
    void send(PagePlacer placer, RestoreListener listener) throws IOException {
        long start = clock.getAsLong();
        var pages = new AllPages(source, listener);
        for (BitSet groups : passes) {
            pages.placeReadable(
                    new Counting(placer, true),
                    groups,
                    frame -> wanted.contains(frame) && !sent.contains(frame),
                    hints,
                    () -> clock.getAsLong() - start < nanosMax);
        }
        if (withRest) {
            long before = sent.size();
            long restStart = clock.getAsLong();
            boolean all = pages.placeReadable(new Counting(placer, false), restGroups(), rest::contains, false, () -> {
                long now = clock.getAsLong();
                return now - start < nanosMax && comesQuickly(sent.size() - before, now - restStart);
            });
            if (all) {
                trial.observe();
            }
        }
        placer.flush();
    }

    /// Places what is left of the set, for as long as is given. By then QEMU is to have discarded all that [#discards]
    /// said: with the first discard it switches huge pages off, which would be mostly zeros.
    void sendScattered(PagePlacer placer, RestoreListener listener) throws IOException {
        long start = clock.getAsLong();
        var ofSet = new FrameSet(source.frameCount());
        var groups = new BitSet(source.groupCount());
        PageSource.FrameList ahead = trial.ahead();
        for (int i = 0; i < ahead.size(); i++) {
            long frame = ahead.get(i);
            if (!sent.contains(frame) && ofSet.add(frame)) {
                groups.set(source.group(frame));
            }
        }
        new AllPages(source, listener)
                .placeReadable(
                        new Scattered(placer),
                        groups,
                        ofSet::contains,
                        false,
                        () -> clock.getAsLong() - start < SCATTERED_NANOS_MAX);
        placer.flush();
    }

    /// Whole regions, or holes would split their huge pages, and only those that a huge page suits.
    private BitSet restGroups() throws IOException {
        var groups = new BitSet(source.groupCount());
        for (int block = 0; block < layout.blocks().size(); block++) {
            for (int region = 0; region < openRegions(block); region++) {
                if (random.nextInt(LEFT_ONE_OF) != 0 && nonZero(block, region) >= REST_FRAMES_MIN) {
                    addToRest(block, region, groups);
                }
            }
        }
        return groups;
    }

    private void addToRest(int block, int region, BitSet groups) throws IOException {
        for (long frame = firstFrame(block, region); frame < endFrame(block, region); frame++) {
            if (!source.isZero(frame) && !sent.contains(frame) && !trial.isHeldBack(frame)) {
                rest.add(frame);
                groups.set(source.group(frame));
            }
        }
    }

    private static boolean comesQuickly(long pages, long nanos) {
        return nanos < REST_TRIED_NANOS || pages >= nanos / 1_000_000 * REST_PAGES_PER_MILLI_MIN;
    }

    /// Notes what goes through it.
    private abstract class Noting implements PagePlacer {
        private final PagePlacer placer;

        Noting(PagePlacer placer) {
            this.placer = placer;
        }

        /// A page has been placed.
        abstract void note(long frame, int block, int region);

        @Override
        public void place(long frame, ByteBuffer pages) throws IOException {
            placer.place(frame, pages);
            for (int i = 0; i < pages.remaining() / RamBlock.TARGET_PAGE_BYTES; i++) {
                int block = layout.blockIndex(frame + i);
                sent.add(frame + i);
                note(frame + i, block, (int) ((frame + i - layout.firstFrame(block)) / REGION_FRAMES));
            }
        }

        @Override
        public void placeZeroes(long frame, int count) {
            throw new IllegalStateException("zeros are what memory has before anything is sent");
        }

        @Override
        public void settle() throws IOException {
            placer.settle();
        }

        @Override
        public void flush() throws IOException {
            placer.flush();
        }
    }

    /// Whole regions, in huge pages.
    private final class Counting extends Noting {
        private final boolean ofSet;

        Counting(PagePlacer placer, boolean ofSet) {
            super(placer);
            this.ofSet = ofSet;
        }

        @Override
        void note(long frame, int block, int region) {
            open(block, region);
            trial.sentEarly(frame, ofSet);
        }
    }

    /// Single pages, around which nothing is.
    private final class Scattered extends Noting {
        Scattered(PagePlacer placer) {
            super(placer);
        }

        @Override
        void note(long frame, int block, int region) {
            if (!regions.get(block).get(region)) {
                scattered.get(block).set(region);
            }
            trial.sentEarly(frame, true);
        }
    }

    /// {@return what makes QEMU forget whatever may stand where something was not sent, after [#send], and again after
    /// [#sendScattered]} In the regions that [#send] has filled zeros may stay: they are what QEMU's memory begins
    /// with, and what it fills a huge page with around the pages that come.
    List<Command.PostcopyDiscard> discards() throws IOException {
        var discards = new ArrayList<Command.PostcopyDiscard>();
        for (int block = 0; block < layout.blocks().size(); block++) {
            if (!doneBlocks.get(block)) {
                discards.addAll(
                        Command.PostcopyDiscard.split(layout.blocks().get(block).name(), ranges(block)));
            }
        }
        if (discards.isEmpty()) {
            discards.add(takeBack());
        }
        return discards;
    }

    /// QEMU hangs if nothing at all was discarded.
    private Command.PostcopyDiscard takeBack() {
        for (int block = 0; block < layout.blocks().size(); block++) {
            long first = layout.firstFrame(block);
            long end = doneBlocks.get(block) ? first : layout.endFrame(block);
            for (long frame = first; frame < end; frame++) {
                if (sent.remove(frame)) {
                    var ranges = new DiscardRanges(first);
                    ranges.add(frame, frame + 1);
                    return new Command.PostcopyDiscard(
                            layout.blocks().get(block).name(), ranges.done());
                }
            }
        }
        return Command.PostcopyDiscard.whole(layout.blocks().get(doneBlocks.nextClearBit(0)));
    }

    private List<Command.Range> ranges(int block) throws IOException {
        var ranges = new DiscardRanges(layout.firstFrame(block));
        for (int region = 0; region < regionCount(layout.blocks().get(block)); region++) {
            long end = endFrame(block, region);
            boolean early = regions.get(block).get(region);
            if (early || scattered.get(block).get(region)) {
                for (long frame = firstFrame(block, region); frame < end; frame++) {
                    if (!sent.contains(frame) && !(early && source.isZero(frame))) {
                        ranges.add(frame, frame + 1);
                    }
                }
            } else {
                ranges.add(firstFrame(block, region), end);
            }
        }
        return ranges.done();
    }
}
