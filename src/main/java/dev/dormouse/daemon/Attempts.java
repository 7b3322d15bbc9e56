package dev.dormouse.daemon;

import dev.dormouse.engine.ErrorText;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Something that is done for a VM in the background, one time after the other, with a pause in between. A failure is
/// told once, however often it is met. Any thread.
final class Attempts {
    private static final Logger LOG = LoggerFactory.getLogger(Attempts.class);

    /// What is done.
    @FunctionalInterface
    interface Work {
        void run() throws IOException;
    }

    private final String what;
    private final Duration pause;
    private final Duration pauseAfterFailure;
    private long notBeforeNanos = System.nanoTime(); // Guarded by this, as is what follows.
    private boolean underWay;
    private boolean hurried;
    private String failure = ""; // That of the last time.

    /// @param what what it means if it fails, for the log
    /// @param pause after one that went well
    Attempts(String what, Duration pause, Duration pauseAfterFailure) {
        this.what = what;
        this.pause = pause;
        this.pauseAfterFailure = pauseAfterFailure;
    }

    /// Something has changed: the next attempt need not wait.
    synchronized void hurry() {
        notBeforeNanos = System.nanoTime();
        hurried = true;
    }

    /// {@return whether nobody is at it, and the last time was long enough ago}
    synchronized boolean mayBegin() {
        return !underWay && System.nanoTime() - notBeforeNanos >= 0;
    }

    synchronized void begin(String vm, Executor executor, Work work) {
        executor.execute(() -> run(vm, work));
        underWay = true;
        hurried = false;
    }

    private void run(String vm, Work work) {
        String reason = "";
        try {
            work.run();
        } catch (IOException | RuntimeException e) {
            reason = e instanceof IOException io ? ErrorText.of(io) : e.toString();
        }
        end(vm, reason);
    }

    private synchronized void end(String vm, String reason) {
        if (!reason.isEmpty() && !reason.equals(failure)) {
            LOG.warn("vm {}: {}: {}", vm, what, reason);
        }
        failure = reason;
        underWay = false;
        Duration rest = reason.isEmpty() ? pause : pauseAfterFailure;
        notBeforeNanos = System.nanoTime() + (hurried ? 0 : rest.toNanos());
    }
}
