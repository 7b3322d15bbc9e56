package dev.dormouse.restore;

import static org.assertj.core.api.Assertions.assertThat;

import dev.dormouse.base.HostProcessors;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Objects;
import java.util.Random;
import java.util.concurrent.Executor;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// How the background goes on beside a guest whose set is complete, on hosts of which the account is made up.
class BackgroundPaceTest {
    private static final int FRAMES = 12_800;
    private static final int MISSED = 5000; // More than a complete set may miss.
    private static final long SECOND = 1_000_000_000;

    private final MemorySource source = new MemorySource(FRAMES);
    private final ArrayDeque<Runnable> urgent = new ArrayDeque<>();
    private final ArrayDeque<Runnable> sprint = new ArrayDeque<>();
    private final ArrayDeque<Runnable> background = new ArrayDeque<>();
    private final ReadAhead reads = new ReadAhead(source, this::plan, new Unwanted(), () -> {});
    private final HostBudget budget = new HostBudget(urgent::add, sprint::add, background::add);
    private @Nullable WorkingSetTrial trial;
    private int nextGroup;

    /// Of a background that was not told by whom it is read.
    private static final class Unwanted implements Executor {
        @Override
        public void execute(Runnable task) {
            throw new AssertionError("read by nobody");
        }
    }

    /// One batch more each time, up to their number.
    private void readAhead() throws IOException {
        for (int i = 0; i < 2 * ReadAhead.BATCHES; i++) {
            reads.head();
        }
    }

    private int plan() {
        return nextGroup++;
    }

    /// {@return the account of a host of which so many processors have been idle for a second}
    private static HostProcessors idle(double processors) throws IOException {
        HostProcessors now = HostProcessors.read();
        return new HostProcessors(now.atNanos() - SECOND, now.idleSeconds() - processors, now.stolenSeconds());
    }

    private BackgroundPace pace(boolean complete, @Nullable HostProcessors start) throws IOException {
        WorkingSet set =
                complete ? WorkingSet.rehearsed(FRAMES, new int[][] {{1, 2}, {}, {}, {}}, 0.01, true, "image") : null;
        trial = new WorkingSetTrial(set, source, 0, new Random(0));
        var surroundings = new Surroundings(() -> 0, budget, new GuestLoad(0, start));
        return new BackgroundPace(BackgroundOptions.DEFAULT.forPages(1L << 40), trial, surroundings, reads, 0);
    }

    @Test
    void besideAGuestOfWhichNothingIsKnownItBeginsAtOnce() throws Exception {
        BackgroundPace pace = pace(false, idle(1));

        assertThat(pace.pages(SECOND / 10)).isEqualTo(BackgroundOptions.DEFAULT.windowPagesMin());
        assertThat(pace.isGentle()).isFalse();
        readAhead();
        assertThat(background).hasSize(ReadAhead.BATCHES);
    }

    @Test
    void leavesAGuestThatHasItsSetAloneForThreeSecondsAndIsGentleThen() throws Exception {
        BackgroundPace pace = pace(true, idle(0));

        assertThat(pace.pages(3 * SECOND - 1)).isZero();
        pace.adapt(3 * SECOND);

        assertThat(pace.isGentle()).isTrue();
        assertThat(pace.pages(3 * SECOND)).isPositive();
        readAhead();
        assertThat(background).as("one batch, behind which a demand may wait").hasSize(1);
    }

    @Test
    void takesAProcessorThatWasIdleInTheseThreeSeconds() throws Exception {
        BackgroundPace pace = pace(true, idle(1));

        pace.adapt(3 * SECOND - 1);
        assertThat(pace.isGentle()).isTrue();
        pace.adapt(3 * SECOND);

        assertThat(pace.isGentle()).isFalse();
        long now = 3 * SECOND + BackgroundOptions.DEFAULT.quietNanos();
        assertThat(pace.pages(now)).isPositive();
        pace.onPlaced(16, now, now + 1_000_000);
        assertThat(pace.shutNanos(now + 1_000_000)).as("no rest").isZero();
        pace.onDemand(now + 1_000_000);
        assertThat(pace.pages(now + 1_000_000)).isZero();
        readAhead();
        assertThat(background).hasSize(ReadAhead.BATCHES);
    }

    @Test
    void givesThatProcessorBackWhenAnotherRestoreBegins() throws Exception {
        budget.enter();
        BackgroundPace pace = pace(true, idle(1));
        pace.adapt(3 * SECOND);
        assertThat(pace.isGentle()).isFalse();

        budget.enter();
        pace.adapt(4 * SECOND);
        assertThat(pace.isGentle()).isTrue();

        budget.leave();
        pace.adapt(5 * SECOND);
        assertThat(pace.isGentle()).as("decided once").isTrue();
    }

    @Test
    void takesNoProcessorBesideAnotherRestore() throws Exception {
        budget.enter();
        budget.enter();
        BackgroundPace pace = pace(true, idle(1));

        pace.adapt(3 * SECOND);

        assertThat(pace.isGentle()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 1})
    void goesOnAsUsualBesideAnotherGuestThanExpected(double idle) throws Exception {
        BackgroundPace pace = pace(true, idle(idle));
        pace.adapt(3 * SECOND);

        for (long frame = 100; frame < 100 + MISSED; frame++) {
            Objects.requireNonNull(trial).onDemand(frame, SECOND);
        }
        pace.adapt(4 * SECOND);

        assertThat(pace.isGentle()).isFalse();
        long now = 5 * SECOND;
        pace.onPlaced(64, now, now + 1_000_000);
        assertThat(pace.shutNanos(now + 1_000_000)).as("half of the time").isEqualTo(1_000_000);
    }

    @Test
    void decidesOnlyOnce() throws Exception {
        BackgroundPace pace = pace(true, null);

        pace.adapt(3 * SECOND);
        pace.adapt(60 * SECOND);

        assertThat(pace.isGentle()).as("nothing is known of the host").isTrue();
    }

    @Test
    void hurriesWhenSomebodyWaitsForTheEnd() throws Exception {
        BackgroundPace pace = pace(true, idle(0));

        pace.hurry(SECOND);
        pace.adapt(3 * SECOND);

        assertThat(pace.isHurrying()).isTrue();
        assertThat(pace.pages(SECOND)).isEqualTo(BackgroundOptions.UNTHROTTLED.windowPagesMax());
        readAhead();
        assertThat(urgent).hasSize(ReadAhead.BATCHES);
    }
}
