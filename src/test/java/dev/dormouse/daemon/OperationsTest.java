package dev.dormouse.daemon;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 20, unit = TimeUnit.SECONDS)
class OperationsTest {
    @Test
    void oneThatRunsOutOfMemoryEndsAndItsVmIsFreeForAnother() throws Exception {
        var ended = new LinkedBlockingQueue<OperationView>();
        var operations = new Operations(new Events(), ended::add);

        Operation suspend = operations.begin(Operation.Kind.SUSPEND, "web", _ -> {
            throw new OutOfMemoryError("Cannot reserve direct buffer memory");
        });

        assertThat(suspend.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(ended.take().state()).isEqualTo("failed");
        assertThat(suspend.error().detail()).contains("OutOfMemoryError: Cannot reserve direct buffer memory");
        assertThat(operations.active("web")).isEqualTo(List.of());
    }

    @Test
    void whoWritesThemDownIsToldOfTheBeginBeforeAnythingIsDoneAndOfTheEndBeforeOthersSeeIt() throws Exception {
        var told = new LinkedBlockingQueue<OperationView>();
        var operations = new Operations(new Events(), told::add, told::add);

        Operation start = operations.begin(Operation.Kind.START, "web", operation -> {
            assertThat(told).extracting(OperationView::state).containsExactly("queued");
            operation.begun();
            return null;
        });

        assertThat(start.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(start.error()).isNull();
        assertThat(told).extracting(OperationView::state).containsExactly("queued", "running", "succeeded");
        assertThat(told).extracting(OperationView::id).containsOnly(start.id());
        assertThat(told).last().isEqualTo(start.view());
    }

    @Test
    void oneThatWasCancelledWhileItWaitedDoesNotBegin() throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        var waits = new CountDownLatch(1);
        var did = new AtomicBoolean();
        Operation start = operations.begin(Operation.Kind.START, "web", operation -> {
            awaitQuietly(waits);
            operation.begun();
            did.set(true);
            return null;
        });

        start.cancel();
        waits.countDown();

        assertThat(start.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(start.view().state()).isEqualTo("cancelled");
        assertThat(did).isFalse();
    }

    @Test
    void nothingIsWokenAnyMoreWhenTheHostEnds() throws Exception {
        var operations = new Operations(new Events(), _ -> {});

        operations.refuseWakes();

        assertThatThrownBy(() -> operations.begin(Operation.Kind.RESUME, "web", _ -> null))
                .hasMessage("vm web: the host ends, it is left asleep until that is back");
        Operation suspend = operations.begin(Operation.Kind.SUSPEND, "web", _ -> null);
        assertThat(suspend.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(suspend.error()).isNull();
    }

    @Test
    void aResumeWhoseGuestRanDoesNotStandForANewOne() throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        var ends = new CountDownLatch(1);
        var runs = new CountDownLatch(1);
        Operation first = operations.begin(Operation.Kind.RESUME, "web", operation -> {
            operation.begun();
            operation.running();
            runs.countDown();
            awaitQuietly(ends);
            return null;
        });
        runs.await();

        Operation second = operations.begin(Operation.Kind.RESUME, "web", operation -> {
            operation.begun();
            awaitQuietly(ends);
            return null;
        });

        assertThat(second).isNotSameAs(first);
        assertThat(operations.begin(Operation.Kind.RESUME, "web", _ -> null)).isSameAs(second);
        ends.countDown();
    }

    @Test
    void aRecoveryHasNoTimeUntilItsGuestRan() throws Exception {
        var told = new ArrayList<OperationView>();
        var operations = new Operations(new Events(), told::add);
        Operation recovery = operations.begin(Operation.Kind.RESUME, "web", operation -> {
            operation.begun();
            operation.carriesOn(true);
            operation.running();
            return null;
        });

        assertThat(recovery.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(recovery.guestRuns()).isTrue();
        assertThat(recovery.view().guestRunsMillis()).isNull();
        assertThat(told)
                .singleElement()
                .satisfies(view -> assertThat(view.guestRunsMillis()).isNull());
    }

    @Test
    void aRecoveryThatHadToStartOverHasTheTimeUntilItsGuestRan() throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        Operation resume = operations.begin(Operation.Kind.RESUME, "web", operation -> {
            operation.begun();
            operation.carriesOn(true);
            operation.carriesOn(false);
            operation.running();
            return null;
        });

        assertThat(resume.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(resume.view().guestRunsMillis()).isNotNull();
    }

    @Test
    void aResumeThatOnlyClientsWantedIsCalledOffWhenTheyHaveGone() throws Exception {
        for (boolean wanted : List.of(true, false)) {
            var operations = new Operations(new Events(), _ -> {});
            var turn = new CountDownLatch(1);
            Operation resume = operations.begin(Operation.Kind.RESUME, "web", operation -> {
                awaitQuietly(turn);
                operation.begun();
                return null;
            });
            if (wanted) {
                assertThat(resume.want(null)).isTrue();
            }

            resume.abandon();
            turn.countDown();

            assertThat(resume.awaitEnd(Duration.ofSeconds(10))).isTrue();
            assertThat(resume.isAbandoned()).isEqualTo(!wanted);
            assertThat(resume.view().state()).isEqualTo(wanted ? "succeeded" : "cancelled");
            resume.abandon(); // Changes nothing any more.
            assertThat(resume.isCancelled()).isEqualTo(!wanted);
        }
    }

    @Test
    void aResumeIsCalledOffWhenTheLastOfThoseHasGoneWhoWantedIt() throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        var turn = new CountDownLatch(1);
        Operation resume = waitingResume(operations, turn);
        assertThat(resume.want("ada")).isTrue();
        assertThat(resume.want("bob")).isTrue();

        resume.leave("ada");
        resume.leave("ada"); // It may say so twice.
        resume.abandon();
        assertThat(resume.isCancelled()).isFalse();
        resume.leave("bob");
        resume.abandon();
        assertThat(resume.isCancelled()).isTrue();

        assertThat(resume.want("cy")).isTrue(); // Just in time.
        assertThat(resume.isCancelled()).isFalse();
        resume.leave("cy");
        resume.abandon();
        turn.countDown();
        assertThat(resume.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(resume.view().state()).isEqualTo("cancelled");
        assertThat(resume.want("dee")).isFalse(); // Too late: another one is to be begun.
    }

    @Test
    void whoWantsAResumeWhateverComesKeepsItThoughAllWaitersHaveGone() throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        var turn = new CountDownLatch(1);
        Operation resume = waitingResume(operations, turn);
        assertThat(resume.want("ada") && resume.want(null)).isTrue();

        resume.leave("ada");
        resume.abandon();
        turn.countDown();

        assertThat(resume.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(resume.view().state()).isEqualTo("succeeded");
    }

    @Test
    void aResumeThatWasCancelledForAllIsNotToBeHadEvenBeforeItEnds() throws Exception {
        var operations = new Operations(new Events(), _ -> {});
        var turn = new CountDownLatch(1);
        Operation resume = waitingResume(operations, turn);

        resume.cancel();

        assertThat(resume.want("ada")).isFalse();
        assertThat(resume.want(null)).isFalse();
        turn.countDown();
        assertThat(resume.awaitEnd(Duration.ofSeconds(10))).isTrue();
        assertThat(resume.view().state()).isEqualTo("cancelled");
    }

    private static Operation waitingResume(Operations operations, CountDownLatch turn) throws ApiException {
        return operations.begin(Operation.Kind.RESUME, "web", operation -> {
            awaitQuietly(turn);
            operation.begun();
            return null;
        });
    }

    private static void awaitQuietly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
