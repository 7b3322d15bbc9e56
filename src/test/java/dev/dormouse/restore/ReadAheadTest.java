package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Reading ahead on pages in memory: by threads, or by hand where the order is looked at.
@Timeout(20)
class ReadAheadTest {
    private static final int GROUPS = 100;
    private final MemorySource source = new MemorySource(GROUPS * MemorySource.GROUP_FRAMES);
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private int nextGroup;

    private int plan() {
        return nextGroup < GROUPS ? nextGroup++ : ReadAhead.Plan.END;
    }

    private static List<Integer> drain(ReadAhead reads) throws IOException {
        var numbers = new ArrayList<Integer>();
        for (ReadAhead.Group group = reads.await(() -> true); group != null; group = reads.await(() -> true)) {
            numbers.add(group.number());
            long frame = (long) group.number() * MemorySource.GROUP_FRAMES;
            assertThat(group.pages(frame, 1).getLong(0)).isEqualTo(frame);
            reads.advance();
        }
        return numbers;
    }

    @Test
    void handsOutEveryGroupInTheOrderOfThePlanHoweverManyThreadsRead() throws Exception {
        try (var threads = Executors.newFixedThreadPool(3);
                var reads = new ReadAhead(source, this::plan, threads, () -> {})) {
            assertThat(drain(reads))
                    .containsExactlyElementsOf(
                            IntStream.range(0, GROUPS).boxed().toList());
            assertThat(reads.isAtEnd()).isTrue();
        }
    }

    @Test
    void readsOnlyAFewBatchesBeforeTheFirstIsTaken() throws Exception {
        var reads = new ReadAhead(source, this::plan, tasks::add, () -> {});

        for (int i = 0; i < GROUPS; i++) {
            assertThat(reads.head()).isNull();
        }

        assertThat(tasks).hasSize(6);
        assertThat(nextGroup).as("of 32 pages each").isEqualTo(12);
        tasks.forEach(Runnable::run);
        reads.close();
    }

    @Test
    void tellsWhereABatchEnds() throws Exception {
        var reads = new ReadAhead(source, this::plan, Runnable::run, () -> {});
        var last = new ArrayList<Boolean>();
        while (last.size() < 4) {
            reads.head();
            last.add(reads.isLastOfBatch());
            reads.advance();
        }

        assertThat(last).as("of two groups each").containsExactly(false, true, false, true);
        reads.close();
    }

    @Test
    void keepsTheOrderWhenALaterBatchIsReadFirst() throws Exception {
        var told = new ArrayList<String>();
        var reads = new ReadAhead(source, this::plan, tasks::add, () -> told.add("read"));
        reads.head();
        reads.head();

        tasks.removeLast().run();
        assertThat(reads.head()).isNull();
        tasks.forEach(Runnable::run);

        assertThat(reads.head()).extracting(ReadAhead.Group::number).isEqualTo(0);
        assertThat(told).hasSizeGreaterThanOrEqualTo(2);
        tasks.forEach(Runnable::run);
        reads.close();
    }

    @Test
    void saysOfAGroupThatCannotBeReadWhyWhenItsPagesAreAskedFor() throws Exception {
        source.damage(0);
        var reads = new ReadAhead(source, this::plan, Runnable::run, () -> {});

        ReadAhead.Group group = reads.await(() -> true);

        assertThat(group).isNotNull();
        assertThatThrownBy(() -> group.pages(0, 1)).hasMessage("frame 0 is damaged");
        reads.advance();
        assertThat(reads.await(() -> true)).extracting(ReadAhead.Group::number).isEqualTo(1);
        reads.close();
    }

    /// What is read from must not be closed while somebody reads.
    @Test
    void waitsForWhoeverReadsWhenItIsClosed() throws Exception {
        var begun = new CountDownLatch(1);
        var over = new CountDownLatch(1);
        try (var threads = Executors.newFixedThreadPool(1)) {
            var reads = new ReadAhead(
                    source,
                    this::plan,
                    task -> threads.execute(() -> {
                        begun.countDown();
                        try {
                            over.await();
                        } catch (InterruptedException e) {
                            throw new AssertionError(e);
                        }
                        task.run();
                    }),
                    () -> {});
            reads.head();
            begun.await();
            var closer = new Thread(reads::close);
            closer.start();
            closer.join(50);
            assertThat(closer.isAlive()).isTrue();

            over.countDown();

            closer.join();
        }
    }
}
