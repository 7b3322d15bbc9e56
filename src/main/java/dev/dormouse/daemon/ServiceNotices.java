package dev.dormouse.daemon;

import dev.dormouse.storage.Libc;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Tells systemd how the daemon is, as `sd_notify(3)` does: it is ready, it is stopping, it is alive. Does nothing
/// where no service manager has asked for that. Any thread.
final class ServiceNotices implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ServiceNotices.class);

    /// Shows that the daemon does what it is for.
    @FunctionalInterface
    interface Proof {
        void show() throws IOException;
    }

    private final @Nullable String socket;
    private final long watchdogMicros;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("watchdog").factory());

    /// @param environment where `NOTIFY_SOCKET` and `WATCHDOG_USEC` may be
    ServiceNotices(Map<String, String> environment) {
        socket = environment.get("NOTIFY_SOCKET");
        long micros = 0;
        try {
            micros = Long.parseLong(environment.getOrDefault("WATCHDOG_USEC", "0"));
        } catch (NumberFormatException _) {
            LOG.warn("WATCHDOG_USEC '{}': not a number, there is no watchdog", environment.get("WATCHDOG_USEC"));
        }
        watchdogMicros = micros;
    }

    /// The daemon cannot serve yet.
    ///
    /// @param why for people
    /// @param patienceSeconds how long that may take, from now on
    void waiting(String why, long patienceSeconds) {
        tell("STATUS=%s\nEXTEND_TIMEOUT_USEC=%d".formatted(why, TimeUnit.SECONDS.toMicros(patienceSeconds)));
    }

    /// The daemon serves. From now on the watchdog is told so as often as it wants, as long as the proof succeeds.
    void ready(Proof proof) {
        tell("READY=1\nSTATUS=");
        if (socket != null && watchdogMicros > 0) {
            var _ = clock.scheduleWithFixedDelay(
                    () -> proveAlive(proof), watchdogMicros / 2, watchdogMicros / 2, TimeUnit.MICROSECONDS);
        }
    }

    private void proveAlive(Proof proof) {
        try {
            proof.show();
            tell("WATCHDOG=1");
        } catch (IOException | RuntimeException e) {
            LOG.error("the daemon does not answer itself: {}", e.getMessage());
        }
    }

    /// @param patienceSeconds how long that may take
    void stopping(long patienceSeconds) {
        tell("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d".formatted(TimeUnit.SECONDS.toMicros(patienceSeconds)));
    }

    private void tell(String state) {
        if (socket == null) {
            return;
        }
        int sent = Libc.sendToUnixSocket(socket, state.getBytes(StandardCharsets.UTF_8));
        if (sent < 0) {
            LOG.warn("{}: systemd is not told '{}': {}", socket, state.replace("\n", " "), Libc.message(-sent));
        }
    }

    @Override
    public void close() {
        clock.shutdownNow();
    }
}
