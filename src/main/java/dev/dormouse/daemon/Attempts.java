package dev.dormouse.daemon;

import dev.dormouse.engine.ErrorText;
import java.io.IOException;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Something that is done for a VM in the background, one time after the other, and not again for a while. A failure is
/// told once, however often it is met. Any thread.
final class Attempts {
    private static final Logger LOG = LoggerFactory.getLogger(Attempts.class);
    private static final long PAUSE_NANOS = 20_000_000_000L;

    /// What is done.
    @FunctionalInterface
    interface Work {
        void run() throws IOException;
    }

    private final String what;
    private volatile long notBeforeNanos = System.nanoTime();
    private volatile boolean underWay;
    private volatile String failure = ""; // That of the last time.

    /// @param what what it means if it fails, for the log
    Attempts(String what) {
        this.what = what;
    }

    /// Something has changed: the next attempt need not wait.
    void hurry() {
        notBeforeNanos = System.nanoTime();
    }

    /// {@return whether nobody is at it, and the last time was long enough ago}
    boolean mayBegin() {
        return !underWay && System.nanoTime() - notBeforeNanos >= 0;
    }

    void begin(String vm, Executor executor, Work work) {
        underWay = true;
        executor.execute(() -> {
            try {
                work.run();
                failure = "";
            } catch (IOException | RuntimeException e) {
                tell(vm, e instanceof IOException io ? ErrorText.of(io) : e.toString());
            } finally {
                notBeforeNanos = System.nanoTime() + PAUSE_NANOS;
                underWay = false;
            }
        });
    }

    private void tell(String vm, String reason) {
        if (!reason.equals(failure)) {
            LOG.warn("vm {}: {}: {}", vm, what, reason);
        }
        failure = reason;
    }
}
