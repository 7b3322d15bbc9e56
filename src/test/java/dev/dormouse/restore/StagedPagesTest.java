package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.RamBlock;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/// What is read before it can be placed, and what the server makes of it.
class StagedPagesTest {
    private static final int FRAMES = 256;
    private final MemorySource source = new MemorySource(FRAMES).withZeroes(64, 96);
    private final List<Runnable> tasks = new ArrayList<>();

    private WorkingSetTrial trial(int... frames) throws IOException {
        var set = new WorkingSet(FRAMES, new int[][] {frames, {}, {}, {}});
        return new WorkingSetTrial(set, source, 0, new Random(0));
    }

    private static LongStream frames(PageSource.FrameList list) {
        return IntStream.range(0, list.size()).mapToLong(list::get);
    }

    @Test
    void holdsWhatWasReadByFrame() throws IOException {
        try (WorkingSetTrial trial = trial(200, 9, 8, 40)) {
            trial.stage(Runnable::run);

            StagedPages staged = trial.staged();

            assertThat(frames(staged)).containsExactly(8L, 9L, 40L, 200L);
            assertThat(trial.ahead().size()).isZero();
            ByteBuffer pages = staged.pages(8, 5);
            assertThat(pages.remaining()).isEqualTo(2 * RamBlock.TARGET_PAGE_BYTES);
            ByteBuffer second = pages.slice(RamBlock.TARGET_PAGE_BYTES, RamBlock.TARGET_PAGE_BYTES);
            assertThat(second).isEqualTo(source.read(9, 1, PageSource.Reading.DEMAND));
        }
    }

    @Test
    void isEmptyIfNobodyCameToReadIt() throws IOException {
        try (WorkingSetTrial trial = trial(8, 40)) {
            trial.stage(tasks::add);

            assertThat(trial.staged().size()).isZero();
            assertThat(trial.ahead().size()).isEqualTo(2);
        }

        tasks.getFirst().run(); // Finds that it is too late.
    }

    @Test
    void leavesWhatCannotBeReadToWhoeverPlacesIt() throws IOException {
        source.damage(40);
        try (WorkingSetTrial trial = trial(8, 40)) {
            trial.stage(Runnable::run);

            assertThat(frames(trial.staged())).containsExactly(8L);
            assertThat(frames(trial.ahead())).containsExactly(40L);
        }
    }
}
