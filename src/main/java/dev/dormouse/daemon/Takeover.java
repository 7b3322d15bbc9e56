package dev.dormouse.daemon;

import dev.dormouse.engine.Home;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// How a daemon comes to its home. One that a command started, because there was none, yields it to one that a person
/// or systemd starts: what VMs, restores and clients go through is a restart of the daemon.
final class Takeover {
    private static final Logger LOG = LoggerFactory.getLogger(Takeover.class);
    /// One that holds the home and does not answer is starting, or ending.
    private static final Duration ANSWER_PATIENCE = Duration.ofSeconds(30);
    /// Longer than the end of a daemon may take, which completes restores.
    private static final Duration END_PATIENCE = Duration.ofSeconds(90);

    private Takeover() {}

    /// {@return the right to be the daemon of the home}
    ///
    /// @param yields whether the new daemon yields itself: then it asks nobody else to
    /// @throws IOException if the home has a daemon that stays
    static DaemonLock lock(Home home, boolean yields, ServiceNotices notices) throws IOException {
        Optional<DaemonLock> lock = DaemonLock.tryAcquire(home);
        if (yields) {
            return lock.orElseThrow(() -> DaemonLock.refusal(home));
        }
        long asked = -1;
        long end = System.nanoTime() + ANSWER_PATIENCE.toNanos();
        while (lock.isEmpty()) {
            Optional<DaemonProcess.Found> other = DaemonProcess.look(home);
            boolean stays = other.isPresent() ? !other.get().yields() : DaemonLock.isLost(home);
            if (stays || System.nanoTime() - end >= 0) {
                throw DaemonLock.refusal(home);
            }
            if (other.isPresent() && other.get().pid() != asked) {
                asked = other.get().pid();
                end = System.nanoTime() + END_PATIENCE.toNanos();
                ask(home, asked, notices);
            }
            DaemonProcess.pause();
            lock = DaemonLock.tryAcquire(home);
        }
        return lock.get();
    }

    private static void ask(Home home, long pid, ServiceNotices notices) {
        LOG.info("home {}: its daemon, process {}, was started by a command; it makes room", home.root(), pid);
        notices.waiting("process %d, which a command started, makes room".formatted(pid), END_PATIENCE.toSeconds());
        ProcessHandle.of(pid).ifPresent(ProcessHandle::destroy);
    }
}
