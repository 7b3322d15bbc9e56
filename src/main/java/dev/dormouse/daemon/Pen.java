package dev.dormouse.daemon;

import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/// The one thread that writes things down and answers what is asked about them, in their order, and what waits for it.
/// That is bounded, because the disk may hang; and apart for both, so that who asks costs nothing that is to be
/// written. Any thread.
final class Pen implements AutoCloseable {
    static final int QUESTIONS_MAX = 32;
    private static final int NOTES_MAX = 1000;

    private final ScheduledExecutorService thread;
    private final Semaphore notes = new Semaphore(NOTES_MAX);
    private final Semaphore questions = new Semaphore(QUESTIONS_MAX);
    private final AtomicLong moves = new AtomicLong(); // Begins and ends of what the thread does.
    private volatile long stuckAt = -1; // The moves when a question got no answer in time.

    Pen(String name) {
        thread = OneThread.named(name);
    }

    /// Does it again and again, the first time after some time.
    void repeat(Runnable note, long first, long pause, TimeUnit unit) {
        var _ = thread.scheduleWithFixedDelay(note, first, pause, unit);
    }

    /// Has it done some time; it is dropped where too much waits already, or the thread is being ended.
    void later(Runnable note) {
        var _ = enqueue(note, notes);
    }

    private boolean enqueue(Runnable task, Semaphore places) {
        if (!places.tryAcquire()) {
            return false;
        }
        try {
            thread.execute(() -> {
                places.release();
                moves.incrementAndGet();
                try {
                    task.run();
                } finally {
                    moves.incrementAndGet();
                }
            });
            return true;
        } catch (RejectedExecutionException _) {
            places.release();
            return false;
        }
    }

    /// {@return the answer, which has all that was to be written before} Answered by the thread.
    ///
    /// @throws TimeoutException if there is none in time; at once if [#QUESTIONS_MAX] wait already, if the
    ///     thread has not moved since another one got none, or if it is being ended
    /// @throws ExecutionException with what the question threw
    <T> T ask(Callable<T> question, Duration patience)
            throws TimeoutException, ExecutionException, InterruptedException {
        var answer = new FutureTask<T>(question);
        if (stuckAt == moves.get() || !enqueue(answer, questions)) {
            throw new TimeoutException();
        }
        try {
            return answer.get(patience.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            long now = moves.get(); // Before it is cancelled: then the thread moves after this for certain.
            if (!answer.cancel(false)) {
                return answer.get();
            }
            stuckAt = now;
            throw e;
        } catch (InterruptedException e) {
            answer.cancel(false);
            throw e;
        }
    }

    /// Has it do what is left, for some seconds at most.
    @Override
    public void close() {
        OneThread.end(thread);
    }
}
