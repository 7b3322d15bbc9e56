package dev.dormouse.cli;

import dev.dormouse.engine.Cancellation;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// Lets Ctrl-C end an operation where it can be undone, and lets it come to its end where it cannot. The
/// JVM ends with 130 after that.
final class Interruption {
    private static final int WAIT_SECONDS = 60;
    private final Cancellation cancellation = new Cancellation();
    private final CountDownLatch ended = new CountDownLatch(1);

    /// From now on a signal cancels the operation and waits for the command to end.
    Cancellation arm() {
        Runtime.getRuntime().addShutdownHook(new Thread(this::cancelAndWait, "interruption"));
        return cancellation;
    }

    /// As [#arm()], where another process does the work.
    ///
    /// @param callOff tells it
    void arm(Runnable callOff) {
        Runtime.getRuntime()
                .addShutdownHook(new Thread(
                        () -> {
                            callOff.run();
                            cancelAndWait();
                        },
                        "interruption"));
    }

    /// The command has ended and has printed everything.
    void ended() {
        ended.countDown();
    }

    private void cancelAndWait() {
        cancellation.cancel();
        try {
            ended.await(WAIT_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
        }
    }
}
